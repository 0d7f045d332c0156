// A changed key policy on the real tables: who wins, what is refused, and that every ring and every replica follows.
import { sql } from 'kysely';
import t from 'tap';
import { createAct, SYSTEM } from '../../src/audit/act.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import type { Db } from '../../src/db/connect.ts';
import { changePolicy, type ChangePolicyDeps } from '../../src/keys/change-policy.ts';
import { hold } from '../../src/keys/hold.ts';
import { createPlanner } from '../../src/keys/plan.ts';
import { listPolicyVersions } from '../../src/keys/policies.ts';
import { type KeyPolicy, LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { deletePrivateKeys, listDueRings } from '../../src/keys/store.ts';
import { plannedAt } from '../../src/keys/timeline.ts';
import { createRingView } from '../../src/keys/view.ts';
import { createRefresh } from '../../src/tasks.ts';
import { engine } from '../support/databases.ts';
import { createKeysFixture, steppedClock } from '../support/keys.ts';

const ALICE = { ...SYSTEM, id: 'ad_alice', reason: 'our auditors ask for it' };
const P = LOOPBACK_POLICY;

const change = (deps: ChangePolicyDeps, policy: KeyPolicy, replaces = 1, dryRun = false) =>
  changePolicy(deps, { policy, replaces, dryRun }, ALICE);

t.test('a new version is on record; the same, a dry run and an unsound one are none', async (t) => {
  const { deps, database, clock } = await createKeysFixture(t);
  const longer = { ...P, period: P.period * 2 };
  t.match(await change(deps, longer, 1, true), { changed: false, versions: [{}, { policy: longer }] });
  t.match(await change(deps, P), { changed: false, versions: [{ version: 1 }] });
  await t.rejects(change(deps, { ...P, period: seasoning(P) }), {
    code: 'policy_unsound',
    message: /A \+ D \+ e: 11 s is not above 5 s \+ 5 s \+ 1 s = 11 s/,
    options: { hint: /\S/ },
  });
  t.equal((await listPolicyVersions(database.db)).length, 1);
  t.match(await change(deps, longer), { changed: true });
  await t.rejects(change(deps, { ...P, period: P.period * 3 }), {
    code: 'conflict',
    options: { extra: { version: 2 } },
  });
  const [, second] = await listPolicyVersions(database.db);
  t.same(second, { version: 2, since: clock.database(), policy: longer });
  const row = await database.db.selectFrom('key_policies').selectAll().where('version', '=', 2).executeTakeFirst();
  t.match(row, { actor: 'ad_alice', reason: 'our auditors ask for it' });
  const acts = await database.db.selectFrom('audit').select('row').where('kind', 'like', 'key_policy.%').execute();
  t.match(
    acts.map((act) => JSON.parse(act.row)),
    [{ actor: 'ad_alice', details: { version: 2, before: { period: P.period }, after: { period: P.period * 2 } } }],
  );
});

t.test('of two at once one is told that the other was faster', async (t) => {
  const { deps, database } = await createKeysFixture(t);
  const both = await Promise.allSettled([2, 3].map((times) => change(deps, { ...P, period: P.period * times })));
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.match(
    both.find(({ status }) => status === 'rejected'),
    { reason: { code: 'conflict' } },
  );
  t.equal((await listPolicyVersions(database.db)).length, 2);
});

t.test('a period that only the lowered values allow is refused until they alone count', async (t) => {
  const { deps, clock } = await createKeysFixture(t, { policy: { ...P, oldestServed: 200_000, period: 300_000 } });
  const from = clock.database() + 206_000;
  await t.rejects(change(deps, P), {
    code: 'policy_unsound',
    message: /while values of before still count/,
    options: { extra: { sound_from: new Date(from).toISOString() } },
  });
  await change(deps, { ...P, period: 300_000 });
  clock.step(206_000 - 1);
  await t.rejects(change(deps, P, 2), { code: 'policy_unsound' });
  clock.step(1);
  t.match(await change(deps, P, 2), { changed: true });
});

t.test('a standby that is published already is judged by the new seasoning', async (t) => {
  const { deps, ringId, clock, database } = await createKeysFixture(t);
  const { signs_from: published } = await rotateNow(deps, ringId, ALICE);
  await change(deps, { ...P, verifierCache: 100_000 });
  clock.step(seasoning(P));
  await t.rejects(rotateNow(deps, ringId, ALICE), { code: 'standby_unseasoned' });
  clock.step(95_000 - 1);
  await t.rejects(rotateNow(deps, ringId, ALICE), { code: 'standby_unseasoned' });
  clock.step(1);
  t.equal(clock.database(), Date.parse(published) + 106_000);
  t.ok(await rotateNow(deps, ringId, ALICE));
  await change(deps, P, 2);
  clock.step(seasoning(P));
  await t.rejects(
    rotateNow(deps, ringId, ALICE),
    { code: 'standby_unseasoned' },
    'lowered: a cut-off replica and a cache behind it may still go by the old values',
  );
  t.equal(await rotateDue(deps, ringId, SYSTEM), undefined);
  t.same(await listDueRings(database.db, clock.database(), 1), [], 'the queue looks again when it is seasoned');
});

t.test('every ring is planned anew, by whichever replica, and what is held or removed stays so', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const { db } = database;
  const plan = createPlanner(deps);
  await plan();
  const copy = async (id: string): Promise<void> => {
    await sql`insert into issuers (id, kind) values (${id}, 'connection')`.execute(db);
    await sql`insert into rings (id, issuer, algorithm, purpose, created_at, next_rotation_at)
      select ${id}, ${id}, algorithm, purpose, created_at, next_rotation_at from rings where id = ${ringId}`.execute(
      db,
    );
  };
  await sql`insert into issuers (id, kind) select 'i' || n, 'connection' from generate_series(1, 600) n`.execute(db);
  await sql`insert into rings (id, issuer, algorithm, purpose, created_at, next_rotation_at)
    select 'r' || lpad(n::text, 5, '0'), 'i' || n, 'ES256', 'web_identity_token', created_at, next_rotation_at
    from rings, generate_series(1, 600) n`.execute(db);
  await sql`insert into signing_keys (kid, ring, published_at, born_with_ring, public)
    select r.id || k, r.id, r.created_at, true, '' from rings r, (values ('a'), ('b')) as keys (k) where r.id <> ${ringId}`.execute(
    db,
  );
  await sql`insert into activations (ring, seq, kid, signs_from, reason, actor)
    select id, 0, id || 'a', created_at, 'born', 'system' from rings where id <> ${ringId}`.execute(db);
  await copy('removed');
  await sql`insert into signing_keys (kid, ring, published_at, born_with_ring, public)
    select kid || '-copy', 'removed', published_at, true, public from signing_keys where ring = ${ringId}`.execute(db);
  await sql`insert into activations (ring, seq, kid, signs_from, reason, actor)
    select 'removed', seq, kid || '-copy', signs_from, reason, actor from activations where ring = ${ringId}`.execute(
    db,
  );
  await db.transaction().execute((trx) => deletePrivateKeys(trx, 'removed'));
  await hold(deps, ringId, { duration: 7 * 86_400_000 }, ALICE);

  const longer = { ...P, period: P.period * 10 };
  await change(deps, longer);
  await Promise.all([plan(), createPlanner(deps)(), createPlanner(deps)()]);
  await plan();
  const times = await db
    .selectFrom('rings')
    .select(['id', 'next_rotation_at'])
    .where('issuer', 'like', 'i%')
    .orderBy('id')
    .execute();
  const born = clock.database();
  const early = times.filter(({ next_rotation_at: at }) => at.getTime() < born + longer.period);
  t.equal(times.length, 600);
  t.same(early, [], 'raised: none is due before the new period');
  const planned = plannedAt((await ring()).keys, longer, born) as number;
  t.ok(planned >= born + longer.period);
  clock.step(planned - born);
  t.equal(await rotateDue(deps, ringId, SYSTEM), undefined, 'it is held');
  const due = await listDueRings(db, clock.database(), 2000);
  t.notOk(due.includes('removed'));

  await change(deps, P, 2);
  await plan();
  t.equal((await listDueRings(db, clock.database(), 2000)).filter((id) => id.startsWith('r0')).length, 600);
  t.match(await db.selectFrom('rotation_plan').selectAll().executeTakeFirst(), { policy_version: 3, after: null });
});

t.test('a rotation under way keeps the policy that it reckons with', async (t) => {
  if (engine !== 'postgresql') return t.comment('two transactions at once need PostgreSQL');
  const { deps, ringId, database, clock } = await createKeysFixture(t);
  const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow = {
    ...deps,
    rings: {
      ...deps.rings,
      insertKey: async (...args: Parameters<typeof deps.rings.insertKey>) => {
        reached.resolve();
        await go.promise;
        await deps.rings.insertKey(...args);
      },
    },
  };
  const rotating = rotateNow(slow, ringId, ALICE);
  await reached.promise;
  // On another replica, that is.
  const act = createAct(createAuditStream({ database, clock }));
  const raised = change({ ...deps, act }, { ...P, oldestSigned: 60_000, oldestServed: 60_000 });
  const waiting = async (): Promise<number> => {
    const { rows } = await sql<{ n: number }>`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'`.execute(database.db);
    return rows[0]?.n ?? 0;
  };
  const [waits, done] = [Symbol('waits'), raised.then(() => Symbol('done'))];
  const poll = async (): Promise<symbol> => {
    while ((await waiting()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    return waits;
  };
  await Promise.race([poll(), done]);
  t.equal((await listPolicyVersions(database.db)).length, 1, 'nobody can obey a longer R before the commit');
  go.resolve();
  t.ok(await rotating);
  t.match(await raised, { changed: true });
});

t.test('a view that obeys a raised R has seen every rotation that reckoned with the lower one', async (t) => {
  const { deps, ringId, database, clock } = await createKeysFixture(t);
  let after: () => Promise<void> = async () => {};
  /** Lets things happen between the reading of rings and what a refresh reads behind it. */
  const db = new Proxy(database.db, {
    get: (target, name) => {
      const own = Reflect.get(target, name, target) as unknown;
      if (name !== 'transaction') return typeof own === 'function' ? (own.bind(target) as unknown) : own;
      return () => ({
        setIsolationLevel: (level: 'repeatable read') => ({
          execute: async (work: Parameters<ReturnType<Db['transaction']>['execute']>[0]) => {
            const read = await target.transaction().setIsolationLevel(level).execute(work);
            await after();
            return read;
          },
        }),
      });
    },
  });
  const view = createRingView({ db, clock, readClock: deps.readClock });
  after = async () => {
    await rotateNow(deps, ringId, ALICE);
    await change(deps, { ...P, oldestSigned: 60_000, oldestServed: 60_000 });
  };
  await view.refresh();
  t.equal(view.find('platform')?.[0]?.keys.length, 2, 'the rotation was not seen');
  clock.step(P.oldestSigned);
  t.throws(() => view.assertMaySign(), { message: /too old/ });
});

t.test('a lowered R or D binds a process from when it knows', async (t) => {
  const {
    deps,
    view: createView,
    clock,
  } = await createKeysFixture(t, {
    policy: { ...P, oldestServed: 60_000, oldestSigned: 60_000 },
  });
  const view = createView();
  await change(deps, P);
  await view.refresh();
  clock.step(P.oldestSigned);
  t.throws(() => view.assertMaySign(), { message: /too old/ });
  t.notOk(view.mayServe());
});

t.test('views are read as often as the R of now asks for', async (t) => {
  const clock = steppedClock();
  let oldestSigned = 60_000;
  let reads = 0;
  let away = false;
  const refresh = createRefresh(
    {
      policy: () => ({ ...P, oldestSigned }),
      refresh: async () => {
        reads += 1;
        if (away) throw new Error('away');
      },
    },
    clock,
  );
  const readsIn = async (seconds: number): Promise<number> => {
    const before = reads;
    for (let tick = 0; tick < seconds * 2; tick += 1) {
      await refresh().catch(() => {});
      clock.step(500);
    }
    return reads - before;
  };
  t.equal(await readsIn(60), 6);
  oldestSigned = 5_000;
  t.equal(await readsIn(60), 60);
  away = true;
  t.equal(await readsIn(10), 10, 'no more often while the database is away');
});

t.test('what was committed stands, where this process cannot look at it too', async (t) => {
  const { deps, database } = await createKeysFixture(t);
  let looks = 0;
  const away: ChangePolicyDeps = {
    ...deps,
    changed: async () => {
      looks += 1;
      throw new Error('the view cannot be read');
    },
  };
  const longer = { ...P, period: P.period * 2 };
  await change(away, longer, 1, true);
  t.equal(looks, 0, 'a dry run changes nothing that could be seen');
  t.match(await change(away, longer), { changed: true });
  t.equal(looks, 1);
  t.equal((await listPolicyVersions(database.db)).length, 2);
});

// Rotations of many rings: by whichever replica, each ring once, at one rate, and on after a crash.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import t from 'tap';
import { createAct, SYSTEM } from '../../src/audit/act.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { createBackground } from '../../src/background.ts';
import type { RunSelection } from '../../src/db/rotation-types.ts';
import { Problem } from '../../src/errors.ts';
import { insertIssuer } from '../../src/issuers/store.ts';
import { hold, resume } from '../../src/keys/hold.ts';
import { LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { queueRotation, rotateNow } from '../../src/keys/rotate.ts';
import { createPlanner } from '../../src/keys/plan.ts';
import { cancelRun, countSelected, findRun, insertRun, tallyRun } from '../../src/keys/runs/store.ts';
import { createRunWorker } from '../../src/keys/runs/work.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';

const SEASONING = seasoning(LOOPBACK_POLICY);
const ALICE = { ...SYSTEM, id: 'ad_alice', reason: 'a drill' };

async function activation(ring: KeysFixture['ring']) {
  return (await ring()).keys.reduce((a, b) => ((b.seq ?? -1) > (a.seq ?? -1) ? b : a));
}

/** Connection rings beside the platform's, as rings are born. */
async function addRings({ deps, act }: KeysFixture, count: number): Promise<string[]> {
  const issuers = Array.from({ length: count }, (_, n) => `is_${String(n).padStart(26, 'a')}`);
  for (const issuer of issuers) {
    const ring = { issuer, algorithm: 'ES256', purpose: 'web_identity_token' } as const;
    const prepared = await deps.rings.prepare(ring);
    await act(SYSTEM, async (trx) => {
      await insertIssuer(trx, { id: issuer, kind: 'connection' });
      await deps.rings.insert(trx, prepared, SYSTEM);
      return { result: undefined, records: [], affectsDecisions: false };
    });
  }
  return issuers.map((issuer) => `${issuer}:ES256`);
}

async function begin(
  { deps, clock }: KeysFixture,
  selection: RunSelection = {},
  ratePerMinute = 6000,
): Promise<string> {
  const id = `ro_${randomBytes(8).toString('hex')}`;
  await deps.act(ALICE, async (trx) => {
    const createdAt = clock.database();
    const total = await countSelected(trx, selection, createdAt);
    await insertRun(trx, {
      id,
      selection,
      ratePerMinute,
      total,
      createdAt,
      actor: 'ad_alice',
      as: undefined,
      reason: 'a drill',
    });
    return { result: undefined, records: [], affectsDecisions: false };
  });
  clock.step(1);
  return id;
}

/** A few turns of each replica, in which a few rings may begin. @returns what went wrong */
async function turns({ clock }: KeysFixture, ...workers: (() => Promise<void>)[]): Promise<string[]> {
  const faults: string[] = [];
  for (let turn = 0; turn < 14; turn += 1) {
    await Promise.all(workers.map((work) => work().catch((error: Error) => void faults.push(error.message))));
    clock.step(20);
  }
  return faults;
}

const activations = async ({ database }: KeysFixture): Promise<{ ring: string; seq: number }[]> =>
  await database.db
    .selectFrom('activations')
    .select(['ring', 'seq', 'actor', 'reason'])
    .where('seq', '>', 0)
    .orderBy('ring')
    .execute();

t.test('three replicas work off one run: each ring once, for the one who asked', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, database, clock } = fixture;
  const rings = await addRings(fixture, 8);
  const id = await begin(fixture);
  const replica = () => createRunWorker({ ...deps, act: createAct(createAuditStream({ database, clock })) });
  t.same(await turns(fixture, replica(), replica(), replica()), []);
  t.same(
    await activations(fixture),
    [...rings, 'platform:ES256'].sort().map((ring) => ({ ring, seq: 1, actor: 'ad_alice', reason: 'a drill' })),
  );
  t.match(await findRun(database.db, id), { total: 9, endedAt: Number });
  t.match(await tallyRun(database.db, id), [{ state: 'done', count: 9 }]);
  const rows = await database.db.selectFrom('audit').select('row').where('kind', '=', 'key.rotated').execute();
  t.equal(rows.length, 9);
  for (const { row } of rows) t.match(JSON.parse(row), { actor: 'ad_alice', details: { run: id, reason: 'a drill' } });
});

t.test('no more in a minute than the rate, however many replicas', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock } = fixture;
  await addRings(fixture, 5);
  await begin(fixture, {}, 60);
  const workers = [createRunWorker(deps), createRunWorker(deps)];
  const after: number[] = [];
  for (let second = 0; second < 6; second += 1) {
    for (const work of workers) await work();
    after.push((await activations(fixture)).length);
    clock.step(1000);
  }
  t.ok(
    after.every((count, second) => count <= second + 1),
    after.join(),
  );
  t.equal(after.at(-1), 6, 'and no fewer');
});

t.test('a ring waits for its conditions, and one that was rotated meanwhile is not rotated again', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock, database } = fixture;
  const [held, unseasoned, refused] = (await addRings(fixture, 3)) as [string, string, string];
  await rotateNow(deps, unseasoned, SYSTEM);
  await hold(deps, held, { duration: 3_600_000 }, ALICE);
  clock.step(1);
  const id = await begin(fixture);
  await rotateNow(deps, 'platform:ES256', SYSTEM);
  let problem: Problem | undefined = new Problem('standby_not_served', 'not there', { retryAfter: 60, hint: 'wait' });
  const checks = [async (ring: { id: string }) => (ring.id === refused ? problem : undefined)];
  const work = createRunWorker({ ...deps, checks });
  await turns(fixture, work);
  t.same(
    (await tallyRun(database.db, id)).map(({ state, code, count }) => [state, code, count]),
    [
      ['done', undefined, 1],
      ['waiting', 'ring_held', 1],
      ['waiting', 'standby_not_served', 1],
      ['waiting', 'standby_unseasoned', 1],
    ],
  );
  t.equal((await activations(fixture)).filter(({ ring }) => ring === 'platform:ES256').length, 1);
  clock.step(seasoning(LOOPBACK_POLICY));
  await turns(fixture, work);
  t.equal((await activations(fixture)).filter(({ ring }) => ring === unseasoned).length, 2);
  problem = undefined;
  clock.step(60_000);
  await turns(fixture, work);
  await resume(deps, held, ALICE);
  await turns(fixture, work);
  t.match(await tallyRun(database.db, id), [{ state: 'done', count: 4 }], 'let go on, it is looked at at once');
  await turns(fixture, work);
  t.match(await findRun(database.db, id), { endedAt: Number });
});

t.test(
  'a run goes on after a process died in the midst of a ring, and one that fails is given up with a reason',
  async (t) => {
    const fixture = await createKeysFixture(t);
    const { deps, clock, database } = fixture;
    const [first] = (await addRings(fixture, 2)) as [string];
    const id = await begin(fixture);
    let dies = true;
    const checks = [
      async (ring: { id: string }) => {
        if (dies && ring.id === first) throw new Error('broken');
        return undefined;
      },
    ];
    const work = createRunWorker({ ...deps, checks });
    t.same(await turns(fixture, work), ['broken']);
    t.match(await tallyRun(database.db, id), [
      { state: 'done', count: 2 },
      { state: 'waiting', code: 'internal', count: 1 },
    ]);
    clock.step(120_000);
    dies = false;
    await turns(fixture, work);
    t.match(await tallyRun(database.db, id), [{ state: 'done', count: 3 }]);

    clock.step(seasoning(LOOPBACK_POLICY));
    const again = await begin(fixture, { issuers: [first.replace(':ES256', '')] });
    dies = true;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      t.same(await turns(fixture, work), ['broken']);
      clock.step(600_000);
    }
    await turns(fixture, work);
    t.match(await tallyRun(database.db, again), [{ state: 'failed', code: 'internal', count: 1 }]);
    t.match(await findRun(database.db, again), { endedAt: Number });
  },
);

t.test('a cancelled run begins no ring', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock, database } = fixture;
  const id = await begin(fixture);
  const checks = [
    async () => {
      await database.db.transaction().execute((trx) => cancelRun(trx, id, clock.database(), 'ad_bob'));
      return undefined;
    },
  ];
  await createRunWorker({ ...deps, checks })();
  t.same(await activations(fixture), [], 'not even the one that was looked at');
  t.match(await findRun(database.db, id), { cancelledBy: 'ad_bob' });
});

t.test('a queued rotation waits for its conditions, whatever is held, resumed or planned anew meanwhile', async (t) => {
  const world = await createKeysFixture(t);
  const { deps, ringId, ring, clock, database } = world;
  const { kid } = await rotateNow(deps, ringId, SYSTEM);
  const { not_before, rotation } = await queueRotation(deps, ringId, ALICE);
  t.equal(not_before, new Date(clock.database() + SEASONING).toISOString());
  const work = createRunWorker(deps);
  clock.step(1);
  t.same(await turns(world, work), []);
  t.same(await tallyRun(database.db, rotation as string), [
    { state: 'waiting', code: 'standby_unseasoned', count: 1, next: Date.parse(not_before) },
  ]);
  await hold(deps, ringId, { duration: 2 * SEASONING }, SYSTEM);
  clock.step(SEASONING);
  t.same(await turns(world, work), []);
  t.equal((await activation(ring)).kid, kid, 'held');
  await resume(deps, ringId, SYSTEM);
  await createPlanner(deps)();
  clock.step(1);
  t.same(await turns(world, work), []);
  t.not((await activation(ring)).kid, kid, 'and then it goes on');
  const { rows } = await sql<{
    row: string;
  }>`select row from audit where kind = 'key.rotated' order by at desc limit 1`.execute(database.db);
  t.match(JSON.parse(rows[0]?.row ?? ''), { actor: 'ad_alice', details: { reason: 'a drill', run: rotation } });
  t.match(await findRun(database.db, rotation as string), { endedAt: Number, total: 1 });
});

t.test('nothing more is rotated in the name of somebody who may not any more', async (t) => {
  const world = await createKeysFixture(t);
  const { deps, database } = world;
  await addRings(world, 2);
  let asked = 0;
  const id = await begin(world);
  const mayStillRotate = async (_trx: unknown, client: string) => {
    t.equal(client, 'ad_alice');
    return (asked += 1) === 1;
  };
  t.same(await turns(world, createRunWorker({ ...deps, mayStillRotate })), []);
  t.match(await findRun(database.db, id), { endedAt: Number, cancelledBy: 'system' });
  t.equal((await tallyRun(database.db, id)).find(({ state }) => state === 'done')?.count, 1);
  const { rows } = await sql<{ row: string }>`select row from audit where kind = 'rotation.cancelled'`.execute(
    database.db,
  );
  t.match(
    rows.map(({ row }) => JSON.parse(row)),
    [{ actor: 'system', details: { run: id, asked_by: 'ad_alice', reason: /may not rotate keys any more/ } }],
  );
});

t.test('a selection means what it names: algorithm and purpose narrow it, later rings are not in it', async (t) => {
  const fixture = await createKeysFixture(t);
  const { database, clock } = fixture;
  const [ring] = (await addRings(fixture, 2)) as [string];
  const count = (selection: RunSelection, at = clock.database()): Promise<number> =>
    database.db.transaction().execute((trx) => countSelected(trx, selection, at));
  t.equal(await count({}), 3);
  t.equal(await count({}, clock.database() - 1), 0);
  t.equal(await count({ issuers: ['platform', ring.replace(':ES256', '')] }), 2);
  t.equal(await count({ purpose: 'workload_token' }), 1);
  t.equal(await count({ algorithm: 'RS256' }), 0);
  t.equal(await count({ tenant: 'acme' }), 0);
  t.equal(await count({ label: { team: 'x' } }), 0);
});

t.test(
  'a service that ends begins no more rings, though its run is behind its rate; another goes on with it',
  async (t) => {
    const fixture = await createKeysFixture(t);
    const { deps, database, clock } = fixture;
    await addRings(fixture, 7);
    const id = await begin(fixture);
    clock.step(seasoning(LOOPBACK_POLICY));
    const background = createBackground({ warn: (...warning: unknown[]) => t.fail(String(warning)) }, clock);
    let looked = 0;
    const stopped = new Promise<void>((resolve, reject) => {
      const checks = [
        async () => {
          looked += 1;
          background.stop().then(resolve, reject);
          return undefined;
        },
      ];
      background.atOnce('work off', 60_000, createRunWorker({ ...deps, checks }));
    });
    await stopped;
    t.ok(looked >= 1 && looked <= 2, `those that each lane had begun: ${looked}`);
    t.match(await tallyRun(database.db, id), [
      { state: 'done', count: looked },
      { state: 'waiting', count: 8 - looked },
    ]);
    await createRunWorker(deps)();
    t.match(await tallyRun(database.db, id), [{ state: 'done', count: 8 }]);
  },
);

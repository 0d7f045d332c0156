// The view of all rings: what it knows, how old it may be, and when nobody signs by it.
import { sql } from 'kysely';
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { insertIssuer } from '../../src/issuers/store.ts';
import type { Db } from '../../src/db/connect.ts';
import { createRingView } from '../../src/keys/view.ts';
import { createKeysFixture } from '../support/keys.ts';

const MOST_OFF = LOOPBACK_POLICY.clockError / 2;

t.test('nobody signs by a view of age R or more, and D ends serving', async (t) => {
  const { view: createView, clock } = await createKeysFixture(t);
  const view = createView();
  t.throws(() => view.assertMaySign(), { code: 'unavailable' }, 'not read yet');
  t.notOk(view.mayServe());
  await view.refresh();
  t.doesNotThrow(() => view.assertMaySign());
  clock.step(LOOPBACK_POLICY.oldestSigned - 1);
  t.doesNotThrow(() => view.assertMaySign());
  t.ok(view.mayServe());
  clock.step(1);
  t.throws(() => view.assertMaySign(), { code: 'unavailable', message: /too old/ });
  t.notOk(view.mayServe());
  await view.refresh();
  t.doesNotThrow(() => view.assertMaySign());
});

t.test('nobody signs while clocks disagree', async (t) => {
  const { view: createView, clock } = await createKeysFixture(t);
  const view = createView();
  await view.refresh();
  clock.jump(MOST_OFF);
  t.doesNotThrow(() => view.assertMaySign());
  clock.jump(1);
  t.throws(() => view.assertMaySign(), { message: /jumped/ }, 'wall and monotonic time parted');
  await view.refresh();
  t.throws(
    () => view.assertMaySign(),
    { message: /away from the database/ },
    'a refresh does not make a wrong clock right',
  );
  clock.jump(-MOST_OFF);
  await view.refresh();
  t.doesNotThrow(() => view.assertMaySign());
});

t.test('two small disagreements are one large one', async (t) => {
  const { view: createView, clock } = await createKeysFixture(t);
  const view = createView();
  clock.jump(MOST_OFF - 100);
  await view.refresh();
  clock.jump(100);
  t.doesNotThrow(() => view.assertMaySign());
  clock.jump(1);
  t.throws(() => view.assertMaySign(), { message: /by now/ }, 'the one was measured, the other came after it');
});

t.test('a raised R is not for rings that were read before it', async (t) => {
  const { database, clock } = await createKeysFixture(t);
  let raised = false;
  // The first to ask for the time is the transaction that reads the rings: the change commits with it.
  const readClock = async (db: Db) => {
    if (!raised)
      await db
        .insertInto('key_policies')
        .values({
          ...{ version: 2, a_seconds: 5, d_seconds: 5, r_seconds: 50, e_seconds: 1, period_seconds: 180 },
          ...{ created_at: new Date(clock.database()), reason: 'a test', actor: 'host' },
        })
        .execute();
    raised = true;
    return clock.database();
  };
  const view = createRingView({ db: database.db, clock, readClock });
  await view.refresh();
  t.equal(view.policy().oldestSigned, LOOPBACK_POLICY.oldestSigned);
  await view.refresh();
  t.equal(view.policy().oldestSigned, 50_000);
});

t.test('what a read of an unknown issuer brings is never older than what a refresh brought meanwhile', async (t) => {
  const { database, clock, deps, ringId } = await createKeysFixture(t);
  const [answered, delivered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let held = true;
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if (!held) return result;
      answered.resolve();
      await delivered.promise;
      return result;
    },
  });
  const view = createRingView({ db, clock, readClock: deps.readClock });
  const loading = view.load('platform');
  await answered.promise;
  held = false;
  const { kid } = await rotateNow(deps, ringId, SYSTEM);
  await view.refresh();
  delivered.resolve();
  await loading;
  t.ok(view.find('platform')?.[0]?.keys.some((key) => key.kid === kid && key.seq === 1));
});

t.test('a refresh brings what changed, by whoever', async (t) => {
  const { view: createView, deps, ringId } = await createKeysFixture(t);
  const [ours, peers] = [createView(), createView()];
  await Promise.all([ours.refresh(), peers.refresh()]);
  const { kid } = await rotateNow({ ...deps, changed: () => ours.refresh() }, ringId, SYSTEM);
  const active = (view: typeof ours) => view.find('platform')?.[0]?.keys.find((key) => key.seq === 1)?.kid;
  t.equal(active(ours), kid);
  t.equal(active(peers), undefined);
  await peers.refresh();
  t.equal(active(peers), kid);
});

t.test('a process sees its own change at once, though a refresh that had looked before it was under way', async (t) => {
  const { database, clock, deps, ringId } = await createKeysFixture(t);
  const [looked, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let held = false;
  const readClock: typeof deps.readClock = async (asked) => {
    // After what changed was read: that asks within its transaction.
    if (held && asked === database.db) {
      looked.resolve();
      await told.promise;
    }
    return await deps.readClock(asked);
  };
  const view = createRingView({ db: database.db, clock, readClock });
  await view.refresh();
  held = true;
  const underWay = view.refresh();
  await looked.promise;
  const changed = (): Promise<void> => {
    const seen = view.refresh();
    held = false;
    told.resolve();
    return seen;
  };
  const { kid } = await rotateNow({ ...deps, changed }, ringId, SYSTEM);
  await underWay;
  t.equal(view.find('platform')?.[0]?.keys.find((key) => key.seq === 1)?.kid, kid);
});

t.test('an answer that comes late says nothing about the clocks', async (t) => {
  const { database, clock, deps } = await createKeysFixture(t);
  const view = createRingView({
    ...{ db: database.db, clock },
    readClock: async (db) => {
      const now = await deps.readClock(db);
      clock.step(3 * MOST_OFF);
      return now;
    },
  });
  await view.refresh();
  t.doesNotThrow(() => view.assertMaySign());
  clock.jump(-1 - MOST_OFF);
  t.throws(() => view.assertMaySign(), { code: 'unavailable' }, 'one that is wrong is');
});

/** As a connection's creation does. */
async function insertNewIssuer({ deps, act }: Pick<Awaited<ReturnType<typeof createKeysFixture>>, 'deps' | 'act'>) {
  const prepared = await deps.rings.prepare({
    ...{ issuer: 'is_new', algorithm: 'ES256', purpose: 'web_identity_token' },
  });
  await act(SYSTEM, async (trx) => {
    await insertIssuer(trx, { id: 'is_new', kind: 'connection' });
    await deps.rings.insert(trx, prepared, SYSTEM);
    return { result: undefined, records: [], affectsDecisions: false };
  });
}

t.test('an unknown issuer costs one read however many ask, and is then known', async (t) => {
  const { view: createView, ...fixture } = await createKeysFixture(t);
  const view = createView();
  await view.refresh();
  t.equal(view.find('is_new'), undefined);
  t.equal(await view.load('is_new'), undefined);
  await insertNewIssuer(fixture);
  const flights = Array.from({ length: 50 }, () => view.load('is_new'));
  t.equal(new Set(flights).size, 1, 'single flight');
  t.equal((await flights[0])?.[0]?.keys.length, 2);
});

t.test('a burst of unknown issuers is put off, not answered as if nobody had looked', async (t) => {
  const { view: createView, clock, ...fixture } = await createKeysFixture(t);
  const view = createView();
  await view.refresh();
  await insertNewIssuer(fixture);
  const burst = () => Promise.allSettled(Array.from({ length: 30 }, (_, index) => view.load(`is_${index}`)));
  const refused = (await burst()).filter((result) => result.status === 'rejected');
  t.equal(refused.length, 10);
  t.match(refused[0]?.reason, { code: 'unavailable' });
  const learned = Array.from({ length: 50 }, () => view.learn('is_new'));
  t.equal(new Set(learned).size, 2, 'by one read under way, and by one that began after the rest had asked');
  const rings = await Promise.all(learned);
  t.ok(
    rings.every((found) => found?.length === 1),
    'one that is known to be there is read all the same',
  );
  clock.step(1000);
  t.equal(await view.load('is_1'), undefined);
});

t.test('a database that lacks what this process read is an older one, and everything is read anew', async (t) => {
  const { database, view: createView, clock, deps, ringId } = await createKeysFixture(t);
  const { db } = database;
  const view = createView();
  await view.refresh();
  const kids = () => view.find('platform')?.[0]?.keys.map(({ kid }) => kid);
  const before = kids();
  clock.step(1000);
  await rotateNow(deps, ringId, SYSTEM);
  await view.refresh();
  t.equal(kids()?.length, 3);
  // A backup of before the rotation, restored where transactions count higher: nothing says that the ring changed.
  await db.deleteFrom('activations').where('seq', '=', 1).execute();
  await db
    .deleteFrom('private_keys')
    .where('kid', 'not in', before ?? [])
    .execute();
  await db
    .deleteFrom('signing_keys')
    .where('kid', 'not in', before ?? [])
    .execute();
  await view.refresh();
  t.same(kids(), before);
});

t.test('a database whose transactions count lower is another one, and everything is read anew', async (t) => {
  const { database, clock, deps, ringId } = await createKeysFixture(t);
  const { db } = database;
  let lower = false;
  const counted = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => ({
      ...result,
      rows: result.rows.map((row) => (lower && 'horizon' in row ? { ...row, horizon: '5' } : row)),
    }),
  });
  const view = createRingView({ db: counted, clock, readClock: deps.readClock });
  await view.refresh();
  const { kid } = await rotateNow(deps, ringId, SYSTEM);
  // As if its transaction had counted from the new beginning, far below the view's horizon.
  await sql`update rings set changed_xid = '7'`.execute(db);
  await view.refresh();
  const active = () => view.find('platform')?.[0]?.keys.find((key) => key.seq === 1)?.kid;
  t.equal(active(), undefined, 'not found from the old horizon on');
  lower = true;
  await view.refresh();
  t.equal(active(), kid);
});

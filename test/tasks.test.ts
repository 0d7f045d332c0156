// What the service deletes by itself: what is over by the database's clock alone, and all of it, however much.
import { mock } from 'node:test';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { SYSTEM } from '../src/audit/act.ts';
import { type Background, createBackground } from '../src/background.ts';
import type { Db } from '../src/db/connect.ts';
import { insertIssuer } from '../src/issuers/store.ts';
import { scheduleTasks, type TaskDeps } from '../src/tasks.ts';
import { createKeysFixture } from './support/keys.ts';
import { until } from './support/until.ts';

const TASKS = [
  ...['delete replay keys', 'delete idempotency keys', 'delete private keys', 'destroy keys that others hold'],
  'delete private keys of retired rings',
];
const LONGEST_INTERVAL = 600_000;

/** The service's own tasks of these names; a tick is one turn of each. Its clock is two days ahead of the database's. */
async function setUp(t: Test, holders: object = {}) {
  const fixture = await createKeysFixture(t);
  const { db } = fixture.database;
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const warnings: unknown[] = [];
  const clock = { monotonic: () => performance.now(), wall: () => Date.now() + 2 * 86_400_000 };
  const background = createBackground({ warn: (...warning: unknown[]) => void warnings.push(warning) }, clock);
  t.teardown(() => background.stop());
  const none = async (): Promise<void> => {};
  const only: Background = {
    ...background,
    every: () => {},
    inBatches: (name, ...rest) => TASKS.includes(name) && background.inBatches(name, ...rest),
  };
  scheduleTasks(only, {
    ...{ db, clock, streams: [], refusals: { flush: none }, signer: { forget: () => {} } },
    ...{ proofs: {}, custody: { holders, presence: {}, rewrapping: {} }, view: {}, rotation: {} },
  } as unknown as TaskDeps);
  return { ...fixture, db, warnings, tick: () => mock.timers.tick(LONGEST_INTERVAL) };
}

/** @param minutes from now, on the database's clock */
const insertReplayKeys = (db: Db, count: number, minutes: number) =>
  sql`
  insert into replay_keys (issuer, jti, expires_at)
  select 'wl_x', ${minutes}::text || n, clock_timestamp() + make_interval(mins => ${minutes}) from generate_series(1, ${count}::int) n`.execute(
    db,
  );

const insertIdempotencyKeys = (db: Db, count: number, hours: number) =>
  sql`
  insert into idempotency_keys (actor, key, request_hash, status, body, created_at)
  select 'ad_x', ${hours}::text || n, '', 200, '', clock_timestamp() - make_interval(hours => ${hours})
  from generate_series(1, ${count}::int) n`.execute(db);

const count = async (db: Db, table: 'replay_keys' | 'idempotency_keys' | 'private_keys'): Promise<number> =>
  Number(
    (
      await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll().as('rows'))
        .executeTakeFirst()
    )?.rows,
  );

t.test('a replica whose clock is ahead deletes nothing that still guards', async (t) => {
  const { db, tick } = await setUp(t);
  await insertReplayKeys(db, 1, 5);
  await insertReplayKeys(db, 1, -2);
  await insertIdempotencyKeys(db, 1, 23);
  await insertIdempotencyKeys(db, 1, 25);
  tick();
  const left = async () => [await count(db, 'replay_keys'), await count(db, 'idempotency_keys')];
  t.ok(await until(async () => (await left()).every((rows) => rows < 2), 60_000), 'what is over goes');
  t.same(await left(), [1, 1], 'and the rest stays');
});

t.test('a backlog of many batches is gone after one turn', async (t) => {
  const asked = new Map<string, number>();
  const destroy = async (name: string): Promise<void> => void asked.set(name, (asked.get(name) ?? 0) + 1);
  const { db, ringId, tick, warnings } = await setUp(t, { aws_kms: { destroy } });
  const before = await count(db, 'private_keys');
  await insertReplayKeys(db, 10_001, -2);
  await insertIdempotencyKeys(db, 5001, 25);
  await sql`insert into signing_keys (kid, ring, published_at, born_with_ring, public)
    select 'over' || n, ${ringId}, now(), false, '' from generate_series(1, 201) n`.execute(db);
  await sql`insert into private_keys (kid, kek, envelope, destroy_at)
    select kid, 'held', '', now() from signing_keys where kid like 'over%'`.execute(db);
  await sql`insert into held_keys (name, signer, kid, ring, created_at)
    select 'arn' || n, 'aws_kms', 'orphan' || n, ${ringId}, now() - interval '2 hours' from generate_series(1, 41) n`.execute(
    db,
  );
  tick();
  const left = async () => [
    ...[await count(db, 'replay_keys'), await count(db, 'idempotency_keys')],
    ...[(await count(db, 'private_keys')) - before, 41 - asked.size],
  ];
  t.ok(await until(async () => (await left()).every((rows) => rows === 0), 60_000), `left: ${await left()}`);
  t.same(warnings, []);
});

t.test(
  'what an older version left in a retired ring goes; what has its time stays, and a ring that lives',
  async (t) => {
    const { db, deps, prepared, tick, warnings } = await setUp(t);
    const gone = await deps.rings.prepare({ issuer: 'gone', algorithm: 'ES256', purpose: 'web_identity_token' });
    await deps.act(SYSTEM, async (trx) => {
      await insertIssuer(trx, { id: 'gone', kind: 'connection' });
      await deps.rings.insert(trx, gone, SYSTEM);
      return { result: undefined, records: [], affectsDecisions: false };
    });
    const [left, timed] = gone.keys.map(({ kid }) => kid) as [string, string];
    await sql`update rings set next_rotation_at = 'infinity' where issuer = 'gone'`.execute(db);
    await sql`update private_keys set destroy_at = now() + interval '1 day' where kid = ${timed}`.execute(db);
    const kids = async () => (await db.selectFrom('private_keys').select('kid').execute()).map(({ kid }) => kid).sort();
    tick();
    t.ok(await until(async () => !(await kids()).includes(left), 60_000));
    t.same(await kids(), [timed, ...prepared.keys.map(({ kid }) => kid)].sort());
    t.same(warnings, []);
  },
);

t.test('batches follow while they are full, for half of the interval, and until it stops', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  let now = 0;
  const background = createBackground(
    { warn: (...warning: unknown[]) => t.fail(String(warning)) },
    { monotonic: () => now },
  );
  const took: number[] = [];
  background.inBatches('slow', 1000, 3, async (limit) => {
    took.push(limit);
    now += 200;
    return limit;
  });
  const turnEnded = () => new Promise((resolve) => setImmediate(resolve));
  mock.timers.tick(1000);
  await turnEnded();
  t.same(took, [3, 3, 3], 'none begins after half of the interval');
  mock.timers.tick(1000);
  await background.stop();
  t.equal(took.length, 4, 'none begins after the stop');
});

// The audit stream: durable before it resolves, chained, under the epoch, replay keys once, honest about a lost commit.
import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { Kysely, PostgresDialect, type PostgresPool, sql } from 'kysely';
import t from 'tap';
import { createAct, SYSTEM } from '../../src/audit/act.ts';
import { hashRow } from '../../src/audit/chain.ts';
import { createRefusals } from '../../src/audit/refusals.ts';
import { bumpEpoch, deleteReplayKeys, ensurePartitions } from '../../src/audit/store.ts';
import { type Append, type AuditStream, createAuditStream, EpochChanged, Replayed } from '../../src/audit/stream.ts';
import type { Database } from '../../src/db/connect.ts';
import type { Tables } from '../../src/db/types.ts';
import { openTestDatabase } from '../support/databases.ts';
import { readEpoch } from '../support/epoch.ts';
import { steppedClock } from '../support/keys.ts';
import { standStill } from '../support/stand-still.ts';

async function setUp(t: Parameters<typeof openTestDatabase>[0]) {
  const database = await openTestDatabase(t);
  const clock = steppedClock();
  await ensurePartitions(database.db, new Date(clock.wall()));
  // How long a caller waits has a test of its own.
  return { database, clock, stream: createAuditStream({ database, clock, deadlineMs: 60_000 }) };
}

async function listRows(database: Database) {
  return await database.db
    .selectFrom('audit')
    .select(['month', 'stream', 'seq', 'kind', 'row', 'hash'])
    .orderBy('month')
    .orderBy('stream')
    .orderBy('seq')
    .execute();
}

/** Recomputes every stream from its first row. */
async function assertChained(t: Parameters<typeof openTestDatabase>[0], database: Database) {
  const heads = new Map<string, { seq: number; hash: Buffer }>();
  for (const row of await listRows(database)) {
    const head = heads.get(row.stream) ?? { seq: -1, hash: Buffer.alloc(32) };
    if (row.seq !== head.seq + 1) t.fail(`a gap before ${row.stream} ${row.seq}`);
    if (!hashRow(head.hash, row.row).equals(row.hash)) t.fail(`the chain breaks at ${row.stream} ${row.seq}`);
    heads.set(row.stream, { seq: row.seq, hash: row.hash });
  }
  t.ok(heads.size > 0, 'chained');
  return heads;
}

t.test('appends share batches, and every one is chained and there when it resolves', async (t) => {
  const { database, stream } = await setUp(t);
  await Promise.all(
    Array.from({ length: 700 }, async (_, index) => {
      await stream.append({
        entry: {
          kind: 'token.minted',
          actor: 'wl_x',
          details: { index, text: 'ä "quoted" \\ \u2028', none: undefined },
        },
      });
    }),
  );
  const rows = await listRows(database);
  t.equal(rows.length, 701);
  t.equal(rows[0]?.kind, 'stream.opened');
  t.same(JSON.parse(rows[1]?.row as string).details, { index: 0, text: 'ä "quoted" \\ \u2028' });
  await assertChained(t, database);
});

t.test('an entry that has no form as JSON is refused alone', async (t) => {
  const { database, stream } = await setUp(t);
  const details = [{ text: '\ud800' }, { '\udfff': 1 }, { deep: [{ text: 'a\udc00' }] }, { number: Number.NaN }];
  const entries = [{}, ...details, { text: '\ud83d\ude00' }].map((each) => ({ kind: 'x', details: each }));
  const outcomes = await Promise.allSettled(entries.map((entry) => stream.append({ entry, epoch: 1 })));
  const expected = ['fulfilled', ...details.map(() => 'rejected'), 'fulfilled'];
  t.same(
    outcomes.map(({ status }) => status),
    expected,
  );
  t.equal((await listRows(database)).length, 3);
  t.equal(stream.failing(), false);
  await assertChained(t, database);
});

t.test('a row that was altered, removed or moved breaks the chain', async (t) => {
  const { database, stream } = await setUp(t);
  for (let index = 0; index < 3; index += 1) await stream.append({ entry: { kind: 'x', details: { index } } });
  const rows = await listRows(database);
  const [, first, second] = rows as [unknown, (typeof rows)[0], (typeof rows)[0]];
  t.notOk(hashRow(first.hash, second.row.replace('"index":1', '"index":2')).equals(second.hash));
  t.notOk(hashRow(Buffer.alloc(32), second.row).equals(second.hash));
});

t.test('an append decided under another epoch is left out', async (t) => {
  const { database, stream, clock } = await setUp(t);
  await stream.append({ entry: { kind: 'a' }, epoch: 1 });
  t.equal(stream.epoch, 1);
  const act = createAct(createAuditStream({ database, clock }));
  await act(SYSTEM, async () => ({
    result: undefined,
    records: [{ kind: 'workload.updated' }],
    affectsDecisions: true,
  }));
  const standing = await readEpoch(database);
  const results = await Promise.allSettled([
    stream.append({ entry: { kind: 'b' }, epoch: 1 }),
    stream.append({ entry: { kind: 'c' }, epoch: standing }),
    stream.append({ entry: { kind: 'd' } }),
  ]);
  t.same(
    results.map((result) => result.status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  t.ok((results[0] as PromiseRejectedResult).reason instanceof EpochChanged);
  t.equal(stream.epoch, standing);
  t.same(
    (await listRows(database))
      .map((row) => row.kind)
      .filter((kind) => kind !== 'stream.opened')
      .sort(),
    ['a', 'c', 'd', 'workload.updated'],
  );
  await assertChained(t, database);
});

t.test('a replay key is taken once: in one batch, across batches, across processes', async (t) => {
  const { database, stream, clock } = await setUp(t);
  const other = createAuditStream({ database, clock, deadlineMs: 60_000 });
  const replay = { issuer: 'wl_x', jti: 'one', expiresAt: new Date(clock.wall() + 60_000) };
  const appends = Array.from({ length: 20 }, (_, index) =>
    (index % 2 ? stream : other).append({ entry: { kind: 'token.minted' }, replay }),
  );
  const results = await Promise.allSettled(appends);
  t.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  t.ok(
    results
      .filter((result) => result.status === 'rejected')
      .every((result) => (result as PromiseRejectedResult).reason instanceof Replayed),
  );
  await t.rejects(stream.append({ replay }), { name: 'Replayed' });
  await stream.append({ replay: { ...replay, issuer: 'wl_y' } });
  t.equal((await listRows(database)).filter((row) => row.kind === 'token.minted').length, 1);
  t.equal(await deleteReplayKeys(database.db, new Date(clock.wall() + 59_000), 10), 0);
  t.equal(await deleteReplayKeys(database.db, new Date(clock.wall() + 61_000), 10), 2);
});

t.test('a batch decided under one epoch: what was seen before is refused, and nothing else', async (t) => {
  const { database, stream, clock } = await setUp(t);
  const append = (jti: string) => {
    const replay = { issuer: 'wl_x', jti, expiresAt: new Date(clock.wall() + 60_000) };
    return stream.append({ entry: { kind: 'token.minted', details: { jti } }, epoch: 1, replay });
  };
  const outcome = async (jtis: string[]) =>
    (await Promise.allSettled(jtis.map(append))).map((result) =>
      result.status === 'fulfilled' ? 'new' : String(result.reason.name),
    );
  t.same(await outcome(['a', 'b']), ['new', 'new']);
  t.same(await outcome(['c', 'a', 'd']), ['new', 'Replayed', 'new'], 'in another batch');
  t.same(await outcome(['e', 'e', 'f']), ['new', 'Replayed', 'new'], 'in the same one');
  const rows = (await listRows(database)).filter((row) => row.kind === 'token.minted');
  t.same(
    rows.map((row) => JSON.parse(row.row).details.jti),
    ['a', 'b', 'c', 'd', 'e', 'f'],
  );
  await assertChained(t, database);
});

t.test(
  'an append waits for a change that is about to commit, and is left out; its replay key stays unused',
  async (t) => {
    const { database, stream, clock } = await setUp(t);
    const replay = { issuer: 'wl_x', jti: 'one', expiresAt: new Date(clock.wall() + 60_000) };
    await stream.append({ entry: { kind: 'a' }, epoch: 1 });
    const bumped = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const changing = database.db.transaction().execute(async (trx) => {
      await bumpEpoch(trx);
      bumped.resolve();
      await release.promise;
    });
    await bumped.promise;
    const waiting = t.rejects(stream.append({ entry: { kind: 'b' }, epoch: 1, replay }), { name: 'EpochChanged' });
    release.resolve();
    await changing;
    await waiting;
    await stream.append({ entry: { kind: 'c' }, epoch: await readEpoch(database), replay });
    t.same(
      (await listRows(database)).map((row) => row.kind),
      ['stream.opened', 'a', 'c'],
    );
    await assertChained(t, database);
  },
);

t.test('an act and its record commit together or not at all, and a failed one leaves the chain whole', async (t) => {
  const { database, clock } = await setUp(t);
  const act = createAct(createAuditStream({ database, clock }));
  const insert = (slug: string, fail: boolean) =>
    act({ ...SYSTEM, id: 'ad_x', reason: 'why' }, async (trx) => {
      await trx
        .insertInto('workloads')
        .values({ id: `wl_${slug}`, slug, state: 'active', scopes: [], audiences: [], jwks: '{"keys":[]}' })
        .execute();
      if (fail) throw new Error('no');
      return { result: slug, records: [{ kind: 'workload.created', workload: `wl_${slug}` }], affectsDecisions: true };
    });
  await insert('a', false);
  const standing = await readEpoch(database);
  await t.rejects(insert('b', true), { message: 'no' });
  t.equal(await readEpoch(database), standing, 'what failed changed no decision');
  await insert('c', false);
  t.same(
    (await database.db.selectFrom('workloads').select('slug').orderBy('slug').execute()).map((row) => row.slug),
    ['a', 'c'],
  );
  const rows = (await listRows(database)).filter((row) => row.kind === 'workload.created');
  t.same(
    rows.map((row) => JSON.parse(row.row)).map(({ workload, details }) => [workload, details.reason]),
    [
      ['wl_a', 'why'],
      ['wl_c', 'why'],
    ],
  );
  t.ok((await readEpoch(database)) > standing);
  await assertChained(t, database);
});

t.test('a batch that fails answers nobody, and the next one goes on from what was committed', async (t) => {
  const { database, stream } = await setUp(t);
  await stream.append({ entry: { kind: 'before' } });
  // The column is not null: the whole batch fails in the database.
  await t.rejects(stream.append({ entry: { kind: null as unknown as string } }), { code: 'unavailable' });
  await stream.append({ entry: { kind: 'after' } });
  await t.rejects(stream.append({ entry: { kind: null as unknown as string }, epoch: 1 }), { code: 'unavailable' });
  await stream.append({ entry: { kind: 'at last' }, epoch: 1 });
  t.same(
    (await listRows(database)).map((row) => row.kind),
    ['stream.opened', 'before', 'after', 'at last'],
  );
  await assertChained(t, database);
});

t.test('a month is a stream of its own, whose first row carries the head before it', async (t) => {
  const { database, stream, clock } = await setUp(t);
  await stream.append({ entry: { kind: 'january' } });
  clock.step(31 * 86_400_000);
  await stream.append({ entry: { kind: 'february' } });
  const [opened, january, continued, february] = (await listRows(database)) as Awaited<ReturnType<typeof listRows>>;
  t.same(
    [opened?.month, january?.month, continued?.month, february?.month],
    ['2026-01-01', '2026-01-01', '2026-02-01', '2026-02-01'],
  );
  t.same(JSON.parse(opened?.row as string).details, { continues: null });
  t.same(JSON.parse(continued?.row as string).details.continues, {
    month: '2026-01-01',
    stream: january?.stream,
    seq: 1,
    hash: january?.hash.toString('hex'),
  });
  t.not(january?.stream, february?.stream);
  clock.jump(-40 * 86_400_000);
  await stream.append({ entry: { kind: 'clock went back' } });
  t.equal((await listRows(database)).at(-1)?.month, '2026-02-01', 'stays in its stream');
  await assertChained(t, database);
});

t.test('the queue is bounded and a deadline is kept', async (t) => {
  const { database, clock } = await setUp(t);
  const bounded = createAuditStream({ database, clock, maxQueue: 5, deadlineMs: 60_000 });
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => bounded.append({ entry: { kind: 'x' } })));
  t.equal(results.filter((result) => result.status === 'rejected').length, 15);
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const holding = database.db.transaction().execute(async (trx) => {
    await sql`lock table audit in access exclusive mode`.execute(trx);
    locked.resolve();
    await release.promise;
  });
  await locked.promise;
  const stream = createAuditStream({ database, clock, deadlineMs: 50 });
  await t.rejects(stream.append({ entry: { kind: 'late' } }), { code: 'unavailable', message: /not durable in time/ });
  release.resolve();
  await holding;
  await stream.close();
  t.ok(
    (await listRows(database)).some((row) => row.kind === 'late'),
    'recorded, and not answered',
  );
});

t.test('an answer that came in time counts, however late a process that stood still reads it', async (t) => {
  const { database, clock } = await setUp(t);
  const deadlineMs = 1000;
  // Read by the loop as an answer on a socket is.
  const { port1: near, port2: far } = new MessageChannel();
  t.teardown(() => near.close());
  const query = async () => {
    const read = once(near, 'message');
    far.postMessage('the answer is here');
    standStill(deadlineMs * 1.1);
    await read;
    return { command: 'SELECT' as const, rowCount: 1, rows: [{ epoch: 1 }] };
  };
  const pool = { connect: async () => ({ query, release: () => {} }), end: async () => {} };
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: pool as unknown as PostgresPool }) });
  const stream = createAuditStream({ database: { ...database, db }, clock, deadlineMs });
  await stream.append({ entry: { kind: 'x' }, epoch: 1 });
  await stream.close();
});

t.test('refusals: the first of a kind in a minute is a row at once, the rest one row with their count', async (t) => {
  const { database, stream, clock } = await setUp(t);
  const refusals = createRefusals(stream, clock);
  const refusal = { kind: 'exchange.refused', actor: 'wl_x', workload: 'wl_x', code: 'not_found' };
  for (let index = 0; index < 5; index += 1) await refusals.record(refusal);
  await refusals.record({ ...refusal, code: 'duration_exceeds_limit' });
  const counts = async () =>
    (await listRows(database))
      .filter((row) => row.kind === 'exchange.refused')
      .map((row) => JSON.parse(row.row).details)
      .map(({ code, count }) => [code, count]);
  t.same(await counts(), [
    ['not_found', 1],
    ['duration_exceeds_limit', 1],
  ]);
  await refusals.flush();
  t.equal((await counts()).length, 2, 'the minute is not over');
  clock.step(60_000);
  await refusals.flush();
  t.same((await counts()).slice(2), [['not_found', 4]]);
  const replay = { issuer: 'wl_x', jti: 'j', expiresAt: new Date(clock.wall()) };
  await refusals.record(refusal, replay);
  await t.rejects(refusals.record(refusal, replay), { name: 'Replayed' });
});

t.test('a refusal whose row could not be written is told so, and the next of its kind is the first', async (t) => {
  const { database, stream, clock } = await setUp(t);
  let away = true;
  const append = async (one: Append): Promise<void> => {
    if (away) throw new Error('the database is away');
    await stream.append(one);
  };
  const refusals = createRefusals({ append } as AuditStream, clock);
  const refusal = { kind: 'call.refused', actor: 'wl_x', code: 'a' };
  await t.rejects(refusals.record(refusal));
  await t.rejects(refusals.record(refusal), 'nobody is answered as if it were on record');
  away = false;
  await refusals.record(refusal);
  t.equal((await listRows(database)).filter(({ kind }) => kind === 'call.refused').length, 1);
});

t.test('a clock that leaps beyond the partitions and back ends no stream', async (t) => {
  const { database, stream, clock } = await setUp(t);
  await stream.append({ entry: { kind: 'before' } });
  const year = 400 * 86_400_000;
  clock.jump(year);
  await t.rejects(stream.append({ entry: { kind: 'lost' } }), { code: 'unavailable' });
  clock.jump(-year);
  await stream.append({ entry: { kind: 'after' } });
  t.same((await listRows(database)).map(({ kind }) => kind).sort(), [
    'after',
    'before',
    'stream.opened',
    'stream.opened',
  ]);
  await assertChained(t, database);
});

t.test('an epoch that a database lost does not come again', async (t) => {
  const { database } = await setUp(t);
  const steps = new Set<number>();
  for (let nth = 0; nth < 5; nth += 1) {
    const lost = new Error('a failover that loses this');
    await database.db
      .transaction()
      .execute(async (trx) => {
        await bumpEpoch(trx);
        steps.add((await trx.selectFrom('policy_epoch').select('epoch').executeTakeFirstOrThrow()).epoch);
        throw lost;
      })
      .catch((error: unknown) => t.equal(error, lost));
  }
  t.equal(await readEpoch(database), 1);
  t.equal(steps.size, 5);
  t.ok([...steps].every((epoch) => epoch > 1));
});

t.test('refusals that could not be written are written by the next flush, and only once', async (t) => {
  let now = Date.UTC(2026, 10, 20);
  const clock = { wall: () => now, monotonic: () => now };
  const written: number[] = [];
  let away = false;
  const append = async ({ entry }: Append): Promise<void> => {
    if (away) throw new Error('the database is away');
    written.push(Number(entry?.details?.['count']));
  };
  const refusals = createRefusals({ append } as AuditStream, clock);
  const refusal = { kind: 'call.refused', actor: 'wl_x' };
  for (const code of ['a', 'b']) for (let count = 0; count < 3; count += 1) await refusals.record({ ...refusal, code });
  now += 60_000;
  away = true;
  await t.rejects(refusals.flush());
  await t.rejects(refusals.flush());
  away = false;
  await refusals.flush();
  await refusals.flush();
  t.same(written, [1, 1, 2, 2]);
});

t.test('acts wait for their turn in a bounded number and for a bounded time', async (t) => {
  const { stream, clock } = await setUp(t);
  const hung = Promise.withResolvers<void>();
  const began: number[] = [];
  const act = (index: number) =>
    stream.transact(async () => {
      began.push(index);
      if (index === 0) await hung.promise;
      return { result: index, entries: [] };
    });
  const first = act(0);
  const waiting = Array.from({ length: 99 }, (_, index) => act(index + 1));
  await t.rejects(act(100), { code: 'unavailable' }, 'one more than may wait is told at once');
  clock.step(5001);
  hung.resolve();
  t.equal(await first, 0);
  for (const one of waiting) await t.rejects(one, { code: 'unavailable' });
  t.same(began, [0], 'nothing is begun for those who have given up');
  t.equal(await act(101), 101, 'and whoever comes later is served');
});

t.test('a close in the very turn of an append lets the loop go on, and the row is there when it is over', async (t) => {
  const { database, stream } = await setUp(t);
  const appended = stream.append({ entry: { kind: 'late' } });
  await stream.close();
  t.same(
    (await listRows(database)).map(({ kind }) => kind),
    ['stream.opened', 'late'],
  );
  await appended;
});

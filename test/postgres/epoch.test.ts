// The epoch between transactions: an append waits for a suspension that is about to commit, and is decided by it.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { bumpEpoch, ensurePartitions } from '../../src/audit/store.ts';
import { type AuditStream, createAuditStream } from '../../src/audit/stream.ts';
import { systemClock } from '../../src/clock.ts';
import { connectPostgres, type Database } from '../../src/db/connect.ts';
import { openTestDatabase, testDatabaseUrl } from '../support/databases.ts';
import { readEpoch } from '../support/epoch.ts';
import { untilBlocked } from '../support/overlap.ts';
import { PATIENCE_MS } from '../support/until.ts';

async function setUp(t: Test): Promise<{ database: Database; stream: AuditStream; kinds(): Promise<string[]> }> {
  const database = await openTestDatabase(t);
  await ensurePartitions(database.db, new Date());
  const own = connectPostgres({ url: (await testDatabaseUrl(t)) as string, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => own.close());
  const stream = createAuditStream({ database: own, clock: systemClock, deadlineMs: 30_000 });
  const kinds = async () =>
    (
      await database.db.selectFrom('audit').select('kind').where('kind', '!=', 'stream.opened').orderBy('seq').execute()
    ).map(({ kind }) => kind);
  return { database, stream, kinds };
}

/** A change that decisions rest on, written and not committed until told. */
async function suspend({ db }: Database): Promise<() => Promise<void>> {
  const written = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const change = db.transaction().execute(async (trx) => {
    await bumpEpoch(trx);
    written.resolve();
    await commit.promise;
  });
  await Promise.race([written.promise, change]);
  return async () => {
    commit.resolve();
    await change;
  };
}

for (const [name, others] of [
  ['alone', []],
  ['in a batch with what rests on nothing', [{ entry: { kind: 'other' } }]],
  ['in a batch decided under several epochs', [{ entry: { kind: 'older' }, epoch: 0 }]],
] as const) {
  t.test(`an append ${name}: no row of an older decision commits after a suspension`, async (t) => {
    const { database, stream, kinds } = await setUp(t);
    await stream.append({ entry: { kind: 'before' }, epoch: 1 });
    const commit = await suspend(database);
    const append = stream.append({ entry: { kind: 'decided before' }, epoch: 1 });
    const rest = others.map((each) => stream.append(each).catch(() => {}));
    const ended = append.then(
      () => 'written',
      (error: Error) => error.name,
    );
    t.equal(
      await Promise.race([ended, untilBlocked(database.db).then(() => 'blocked')]),
      'blocked',
      'it waits for the suspension',
    );
    await commit();
    t.equal(await ended, 'EpochChanged');
    await Promise.all(rest);
    t.notOk((await kinds()).includes('decided before'));
    await stream.append({ entry: { kind: 'decided again' }, epoch: await readEpoch(database) });
    t.ok((await kinds()).includes('decided again'));
    await stream.close();
  });
}

t.test('a suspension waits for the appends that were decided before it, and for no later ones', async (t) => {
  const { database, stream } = await setUp(t);
  let suspended = false;
  let stop = false;
  const load = Array.from({ length: 20 }, async () => {
    while (!stop) {
      const after = suspended;
      const answer = await stream.append({ entry: { kind: 'x' }, epoch: 1 }).then(
        () => 'written',
        (error: Error) => error.name,
      );
      if (after && answer === 'written') t.fail('written after the commit');
    }
  });
  await delay(200);
  const began = performance.now();
  await (await suspend(database))();
  suspended = true;
  t.ok(performance.now() - began < 30_000, 'a stream of appends does not starve it');
  await delay(200);
  stop = true;
  await Promise.all(load);
  await stream.close();
});

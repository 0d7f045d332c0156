// Two transactions on PostgreSQL, the second beside the first, which has written and not committed.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { connectPostgres, type Db, type Transaction } from '../../src/db/connect.ts';
import { engine, testDatabaseUrl } from './databases.ts';
import { PATIENCE_MS, until } from './until.ts';

export type Write = (trx: Transaction) => Promise<unknown>;

async function isBlocked(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
  return rows.length > 0;
}

/** Until somebody waits for a lock, or for the one connection of the embedded database. */
export const untilBlocked = async (db: Db): Promise<unknown> =>
  engine === 'postgresql' ? await until(() => isBlocked(db)) : await delay(300);

/** The second starts while the first has written and not committed. @returns how each ended: undefined, or its code. */
export async function overlap(t: Test, first: Write, second: Write): Promise<(string | undefined)[]> {
  const pool = connectPostgres({ url: (await testDatabaseUrl(t)) as string, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => pool.close());
  const code = (error: { code: string }) => error.code;
  const written = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const one = pool.db.transaction().execute(async (trx) => {
    await first(trx);
    written.resolve();
    await commit.promise;
  });
  await Promise.race([written.promise, one]);
  const other = pool.db.transaction().execute(second);
  const blocked = until(() => isBlocked(pool.db), 60_000).then((yes) => (yes ? 'blocked' : 'never blocked'));
  t.equal(await Promise.race([other.then(() => 'done', code), blocked]), 'blocked', 'the second waits for the first');
  commit.resolve();
  return Promise.all([one.then(() => undefined, code), other.then(() => undefined, code)]);
}

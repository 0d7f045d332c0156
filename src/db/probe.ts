// Whether the database answers and lets itself be written to, within a deadline of its own.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { within } from './within.ts';

const PROBE_MS = 800;

export type DatabaseTrouble = 'the database does not answer' | 'the database is read-only';

/** Never throws. @returns undefined where there is none */
export async function findDatabaseTrouble(db: Db): Promise<DatabaseTrouble | undefined> {
  const probe = sql<{ read_only: boolean }>`select current_setting('transaction_read_only')::boolean as read_only`;
  return await within(PROBE_MS, probe.execute(db)).then(
    ({ rows }) => (rows[0]?.read_only ? 'the database is read-only' : undefined),
    () => 'the database does not answer',
  );
}

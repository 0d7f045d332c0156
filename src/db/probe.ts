// Whether the database answers and lets itself be written to, within a deadline of its own.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

const PROBE_MS = 800;

export type DatabaseTrouble = 'the database does not answer' | 'the database is read-only';

/** Never throws. @returns undefined where there is none */
export async function findDatabaseTrouble(db: Db): Promise<DatabaseTrouble | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DatabaseTrouble>((resolve) => {
    timer = setTimeout(() => resolve('the database does not answer'), PROBE_MS);
  });
  const probe = sql<{ read_only: boolean }>`select current_setting('transaction_read_only')::boolean as read_only`
    .execute(db)
    .then(
      ({ rows }): DatabaseTrouble | undefined => (rows[0]?.read_only ? 'the database is read-only' : undefined),
      (): DatabaseTrouble => 'the database does not answer',
    );
  return await Promise.race([probe, late]).finally(() => clearTimeout(timer));
}

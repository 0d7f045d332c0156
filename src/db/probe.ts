// Whether the database answers, within a deadline of its own.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

const PROBE_MS = 800;

/** Never throws. */
export async function databaseAnswers(db: Db): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PROBE_MS);
  });
  const probe = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  return await Promise.race([probe, late]).finally(() => clearTimeout(timer));
}

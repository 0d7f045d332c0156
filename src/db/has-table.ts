// Whether a migration's table is there: a service may run before the newest migration has.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

/** @param table in the schema `public`. Asks before it is read: a failed statement would end a transaction. */
export async function hasTable(db: Db, table: string): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`select to_regclass(${`public.${table}`}) is not null as there`.execute(
    db,
  );
  return rows[0]?.there === true;
}

// Whether a migration's table is there: a service may run before the newest migration has.
import { sql } from 'kysely';
import { Problem } from '../errors.ts';
import type { Db } from './connect.ts';

/** @param table in the schema `public`. Asks before it is read: a failed statement would end a transaction. */
export async function hasTable(db: Db, table: string): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`select to_regclass(${`public.${table}`}) is not null as there`.execute(
    db,
  );
  return rows[0]?.there === true;
}

/**
 * @param detail which migration has not run
 * @throws Problem `migration_missing`
 */
export async function requireTable(db: Db, table: string, detail: string): Promise<void> {
  if (await hasTable(db, table)) return;
  throw new Problem('migration_missing', detail, {
    hint: 'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables.',
  });
}

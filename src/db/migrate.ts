// Numbered, forward-only migrations from migrations/*.sql; safe when several replicas start at once.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Migration, Migrator } from 'kysely/migration';
import { sql } from 'kysely';
import type { Database } from './connect.ts';

const DIRECTORY = join(import.meta.dirname, '../../migrations');

/** The migrations that the database has and this commit does not know: a newer version ran here, and that is fine. */
async function namesApplied(database: Database): Promise<string[]> {
  const table = await sql<{ name: string | null }>`select to_regclass('kysely_migration')::text as name`.execute(
    database.db,
  );
  if (!table.rows[0]?.name) return [];
  const applied = await sql<{ name: string }>`select name from kysely_migration`.execute(database.db);
  return applied.rows.map((row) => row.name);
}

async function listFiles(): Promise<string[]> {
  return (await readdir(DIRECTORY)).filter((name) => name.endsWith('.sql')).sort();
}

async function listMigrations(database: Database): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  for (const name of await namesApplied(database)) migrations[name] = { up: async () => {} };
  for (const file of await listFiles()) {
    const script = await readFile(join(DIRECTORY, file), 'utf8');
    migrations[file.slice(0, -4)] = { up: async (db) => database.runScript(db, script) };
  }
  return migrations;
}

/** What this commit has and the database does not, in order. */
export async function listMissing(database: Database): Promise<string[]> {
  const applied = new Set(await namesApplied(database));
  return (await listFiles()).map((file) => file.slice(0, -4)).filter((name) => !applied.has(name));
}

/** Where the owner may not make roles, somebody may have made the service's since: its grants follow at the next run. */
async function grantToService(database: Database): Promise<void> {
  const { rows } = await sql<{ due: boolean }>`
    select to_regrole('countersign_service') is not null
      and not has_table_privilege('countersign_service', to_regclass('audit'), 'insert')
      and pg_has_role(c.relowner, 'usage') as due
    from pg_class c where c.oid = to_regclass('service_privileges')`.execute(database.db);
  if (rows[0]?.due) await sql`select apply_service_privileges()`.execute(database.db);
}

/**
 * A backup that was restored into another cluster marks its rings by the transactions of the one that was lost, beyond
 * all that this one counts: each would be read as changed at every refresh. Changed now, they are read once. What was
 * published since the backup is newer than the record of it, so each publisher's next pass looks at every document.
 */
async function markRestoredRings(database: Database): Promise<void> {
  await sql`
    with marked as (
      update rings set changed_xid = pg_current_xact_id()
      where changed_xid >= pg_snapshot_xmax(pg_current_snapshot()) returning id)
    update publishing_passes set verified_at = null where exists (select from marked)`.execute(database.db);
}

/**
 * Applies what is missing, under Kysely's migration lock, in one transaction.
 * @returns the names applied now.
 */
export async function migrate(database: Database): Promise<string[]> {
  const migrations = await listMigrations(database);
  const migrator = new Migrator({
    db: database.db,
    provider: { getMigrations: async () => migrations },
    // PGlite's script brings a transaction of its own: `exec` inside Kysely's would wait for itself.
    disableTransactions: database.engine === 'pglite',
    // Two commits may each bring one, and land in the other order.
    allowUnorderedMigrations: true,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error) {
    // A newer version migrated while this one waited for the lock: what it applied is left alone.
    if ((await namesApplied(database)).some((name) => !(name in migrations))) return await migrate(database);
    throw error instanceof Error ? error : new Error('a migration failed', { cause: error });
  }
  await grantToService(database);
  await markRestoredRings(database);
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
}

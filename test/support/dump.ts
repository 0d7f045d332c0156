// Everything that a database holds, as text: to compare before and after, and to search for what must not be there.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';

/** Text of every row by table; partitions are in their table. */
export async function dumpTables(db: Db): Promise<Record<string, string[]>> {
  const { rows: tables } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    order by 1`.execute(db);
  const dump: Record<string, string[]> = {};
  for (const { name } of tables) {
    const { rows } = await sql<{ text: string }>`select t::text as text from ${sql.table(name)} t order by 1`.execute(
      db,
    );
    dump[name] = rows.map(({ text }) => text);
  }
  return dump;
}

/** Tables and partitions that hold anything, with their sizes in bytes, what lies outside their rows included. */
export async function measureTables(db: Db): Promise<{ name: string; bytes: number }[]> {
  const { rows } = await sql<{ name: string; bytes: string }>`
    select relname as name, pg_table_size(oid)::text as bytes from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_relation_size(oid) > 0`.execute(db);
  return rows.map(({ name, bytes }) => ({ name, bytes: Number(bytes) }));
}

/** The rows of these tables in one query, a text for each table. */
export async function dumpText(db: Db, tables: readonly { name: string }[]): Promise<Record<string, string>> {
  if (tables.length === 0) return {};
  const each = tables.map(
    ({ name }) => sql`select ${name} as name, string_agg(t::text, chr(10)) as text from ${sql.table(name)} t`,
  );
  const { rows } = await sql<{ name: string; text: string | null }>`${sql.join(each, sql` union all `)}`.execute(db);
  return Object.fromEntries(rows.map(({ name, text }) => [`table ${name}`, text ?? '']));
}

/**
 * What requests change on purpose: without the tables that record that they came, that a process lives, or how far it is
 * with what it does by itself.
 */
export async function dumpState(db: Db): Promise<Record<string, string[]>> {
  const { audit: _, replay_keys: __, replicas: ___, rotation_plan: ____, ...state } = await dumpTables(db);
  return state;
}

/** What a dump would keep and a restore would put back, without the record and what processes say of themselves. */
export type Backup = Record<string, string>;

const NOT_BACKED_UP = ['audit', 'replicas', 'kysely_migration', 'kysely_migration_lock'];

export async function backUp(db: Db): Promise<Backup> {
  const backup: Backup = {};
  for (const name of Object.keys(await dumpTables(db)).filter((table) => !NOT_BACKED_UP.includes(table))) {
    const { rows } = await sql<{ all: string }>`
      select coalesce(jsonb_agg(t), '[]')::text as all from ${sql.table(name)} t`.execute(db);
    backup[name] = rows[0]?.all ?? '[]';
  }
  return backup;
}

/** Whatever was done since is undone, past every rule of the tables; as a superuser. */
export async function putBack(db: Db, backup: Backup): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`set local session_replication_role = replica`.execute(trx);
    for (const [name, rows] of Object.entries(backup)) {
      const table = sql.table(name);
      await sql`delete from ${table}`.execute(trx);
      const { rows: columns } = await sql<{ name: string }>`
        select attname as name from pg_attribute
        where attrelid = ${name}::regclass and attnum > 0 and not attisdropped and attgenerated = ''`.execute(trx);
      const list = sql.join(columns.map((column) => sql.ref(column.name)));
      await sql`insert into ${table} (${list}) overriding system value
        select ${list} from jsonb_populate_recordset(null::${table}, ${rows}::text::jsonb)`.execute(trx);
    }
  });
}

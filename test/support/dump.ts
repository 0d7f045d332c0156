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

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

/** What requests change on purpose: without the tables that record that they came, or that a process lives. */
export async function dumpState(db: Db): Promise<Record<string, string[]>> {
  const { audit: _, replay_keys: __, replicas: ___, ...state } = await dumpTables(db);
  return state;
}

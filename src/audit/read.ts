// Reading the audit log: newest first, by what a security team asks for.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';

export interface AuditFilter {
  kind?: string | undefined;
  actor?: string | undefined;
  workload?: string | undefined;
  connection?: string | undefined;
  exchange?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export interface AuditRecord {
  /** The stored text, hashed as written. */
  row: string;
  hash: string;
  /** Where the row stands in this order. */
  position: [at: string, stream: string, seq: string];
}

/** @param after the position of the last row seen */
export async function listAuditRows(
  db: Db,
  filter: AuditFilter,
  after: readonly string[] | undefined,
  limit: number,
): Promise<AuditRecord[]> {
  let query = db
    .selectFrom('audit')
    .select([
      'row',
      'hash',
      'stream',
      'seq',
      sql<string>`to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`.as('at_text'),
    ])
    .orderBy('at', 'desc')
    .orderBy('stream', 'desc')
    .orderBy('seq', 'desc')
    .limit(limit);
  for (const column of ['kind', 'actor', 'workload', 'connection', 'exchange'] as const) {
    const value = filter[column];
    if (value !== undefined) query = query.where(column, '=', value);
  }
  if (filter.from !== undefined) query = query.where('at', '>=', sql<Date>`${filter.from}::timestamptz`);
  if (filter.to !== undefined) query = query.where('at', '<', sql<Date>`${filter.to}::timestamptz`);
  if (after) {
    const [at, stream, seq] = after;
    query = query.where(sql<boolean>`(at, stream, seq) < (${at}::timestamptz, ${stream}, ${seq}::bigint)`);
  }
  const rows = await query.execute();
  return rows.map((row) => ({
    row: row.row,
    hash: row.hash.toString('hex'),
    position: [row.at_text, row.stream, String(row.seq)],
  }));
}

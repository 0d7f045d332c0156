// The SQL of the audit log: partitions, appending chained rows, the policy epoch, replay keys.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { ChainedRow, Head } from './chain.ts';

export interface ReplayKey {
  issuer: string;
  jti: string;
  expiresAt: Date;
}

/** Makes the partitions of the month of `at` and of the two after it. */
export async function ensurePartitions(db: Db, at: Date): Promise<void> {
  for (let offset = 0; offset < 3; offset += 1) {
    const first = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + offset, 1)).toISOString().slice(0, 10);
    await sql`select ensure_audit_partition(${first}::date)`.execute(db);
  }
}

/** Thousands of millions of changes stay within the integers that a double has. */
const EPOCH_STEPS = 2 ** 20;
const KEY_ORDER = sql`order by keys.issuer, keys.jti`;
const ROW_COLUMNS = sql`month, stream, seq, at, kind, actor, workload, connection, exchange, row, hash`;

/**
 * Rows of one batch, which follow one another, as a table to select from: ROW_COLUMNS, in that order. A column is an array,
 * because that is what the database reads at the least cost: JSON took as long as the insertion.
 */
function rowsTable(rows: readonly ChainedRow[]) {
  const { month, stream, seq, at } = rows[0] ?? { month: null, stream: null, seq: null, at: null };
  const column = (read: (row: ChainedRow) => string | undefined) =>
    sql`${rows.map((row) => read(row) ?? null)}::text[]`;
  const texts = [
    ...(['kind', 'actor', 'workload', 'connection', 'exchange'] as const).map((name) =>
      column(({ entry }) => entry[name]),
    ),
    ...[column(({ row }) => row), column(({ hash }) => hash.toString('hex'))],
  ];
  return sql`(
    select ${month}::date, ${stream}::text, ${seq}::bigint + r.after - 1, ${at}::timestamptz,
      r.kind, r.actor, r.workload, r.connection, r.exchange, r.row, decode(r.hash, 'hex')
    from unnest(${sql.join(texts)}) with ordinality
      as r (kind, actor, workload, connection, exchange, row, hash, after)) as rows`;
}

export async function insertRows(trx: Transaction, rows: readonly ChainedRow[]): Promise<void> {
  if (rows.length > 0) await sql`insert into audit (${ROW_COLUMNS}) select rows.* from ${rowsTable(rows)}`.execute(trx);
}

/** The last row of a stream, or undefined where none was committed. */
export async function findHead(db: Db, month: string, stream: string): Promise<Head | undefined> {
  return await db
    .selectFrom('audit')
    .select(['seq', 'hash'])
    .where('month', '=', month)
    .where('stream', '=', stream)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Reads the policy epoch so that no change of what decisions rest on can commit before this transaction does. */
export async function lockEpoch(trx: Transaction): Promise<number> {
  const row = await trx
    .selectFrom('policy_epoch')
    .select('epoch')
    .where('id', '=', 1)
    .forShare()
    .executeTakeFirstOrThrow();
  return row.epoch;
}

/**
 * Bumps the policy epoch, by a step that nobody can guess: a number that a database which went backwards has lost must not
 * come again, or what was remembered under it would seem to stand. The table lock queues fairly: a stream of FOR SHARE
 * readers cannot starve a suspension. Called last in a transaction, because appends wait for it.
 */
export async function bumpEpoch(trx: Transaction): Promise<void> {
  await sql`lock table policy_epoch in exclusive mode`.execute(trx);
  await trx
    .updateTable('policy_epoch')
    .set({ epoch: sql<number>`epoch + 1 + floor(random() * ${EPOCH_STEPS})::bigint` })
    .where('id', '=', 1)
    .execute();
}

/** Replay keys as a table to select from; inserted in KEY_ORDER, so that two processes do not wait for each other. */
function replayKeysTable(keys: readonly ReplayKey[]) {
  const records = keys.map((key) => ({ issuer: key.issuer, jti: key.jti, expires_at: key.expiresAt.toISOString() }));
  return sql`(
    select r.issuer, r.jti, r.expires_at
    from json_to_recordset(${JSON.stringify(records)}::json) as r (issuer text, jti text, expires_at timestamptz)) as keys`;
}

/** Inserts replay keys; @returns those that were new, as `issuer\njti`. */
export async function insertReplayKeys(trx: Transaction, keys: readonly ReplayKey[]): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const inserted = await sql<{ issuer: string; jti: string }>`
    insert into replay_keys (issuer, jti, expires_at) select keys.* from ${replayKeysTable(keys)} ${KEY_ORDER}
    on conflict do nothing
    returning issuer, jti`.execute(trx);
  return new Set(inserted.rows.map((row) => `${row.issuer}\n${row.jti}`));
}

/**
 * The plain case in one statement, so in one transaction and one round trip: every key is new, and the epoch stands,
 * read FOR SHARE as `lockEpoch` does.
 * @returns the epoch as it stands; where it is another than `epoch`, nothing was written.
 * @throws the database's unique_violation where a key was taken; nothing was written.
 */
export async function insertAllUnderEpoch(
  db: Db,
  epoch: number,
  rows: readonly ChainedRow[],
  keys: readonly ReplayKey[],
): Promise<number> {
  const answer = await sql<{ epoch: number }>`
    with standing as (select epoch from policy_epoch where id = 1 for share),
    taken as (insert into replay_keys (issuer, jti, expires_at) select keys.* from ${replayKeysTable(keys)}, standing where standing.epoch = ${epoch} ${KEY_ORDER}),
    written as (insert into audit (${ROW_COLUMNS}) select rows.* from ${rowsTable(rows)}, standing where standing.epoch = ${epoch})
    select epoch from standing`.execute(db);
  return (answer.rows[0] as { epoch: number }).epoch;
}

/** Whether a statement failed because what it inserts was there already (SQLSTATE 23505). */
export function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505';
}

/** Deletes a bounded number of replay keys whose assertions are dead; @returns how many. */
export async function deleteReplayKeys(db: Db, deadBefore: Date, limit: number): Promise<number> {
  const deleted = await sql`
    delete from replay_keys where (issuer, jti) in (
      select issuer, jti from replay_keys where expires_at < ${deadBefore.toISOString()}::timestamptz
      order by expires_at limit ${limit} for update skip locked)`.execute(db);
  return Number(deleted.numAffectedRows ?? 0n);
}

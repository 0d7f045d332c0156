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

export async function insertRows(trx: Transaction, rows: readonly ChainedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const records = rows.map(({ month, stream, seq, at, entry, row, hash }) => ({
    ...{ month, stream, seq, at, row, hash: hash.toString('hex'), kind: entry.kind },
    ...{ actor: entry.actor, workload: entry.workload, connection: entry.connection, exchange: entry.exchange },
  }));
  await sql`
    insert into audit (month, stream, seq, at, kind, actor, workload, connection, exchange, row, hash)
    select r.month, r.stream, r.seq, r.at, r.kind, r.actor, r.workload, r.connection, r.exchange, r.row, decode(r.hash, 'hex')
    from json_to_recordset(${JSON.stringify(records)}::json) as r (month date, stream text, seq bigint, at timestamptz,
      kind text, actor text, workload text, connection text, exchange text, row text, hash text)`.execute(trx);
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
  const row = await trx.selectFrom('policy_epoch').select('epoch').where('id', '=', 1).forShare().executeTakeFirstOrThrow();
  return row.epoch;
}

/**
 * Bumps the policy epoch. The table lock queues fairly: a stream of FOR SHARE readers cannot starve a suspension.
 * Called last in a transaction, because appends wait for it.
 */
export async function bumpEpoch(trx: Transaction): Promise<void> {
  await sql`lock table policy_epoch in exclusive mode`.execute(trx);
  await trx.updateTable('policy_epoch').set((eb) => ({ epoch: eb('epoch', '+', 1) })).where('id', '=', 1).execute();
}

/** Inserts replay keys; @returns those that were new, as `issuer\njti`. */
export async function insertReplayKeys(trx: Transaction, keys: readonly ReplayKey[]): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const records = keys.map((key) => ({ issuer: key.issuer, jti: key.jti, expires_at: key.expiresAt.toISOString() }));
  const inserted = await sql<{ issuer: string; jti: string }>`
    insert into replay_keys (issuer, jti, expires_at)
    select r.issuer, r.jti, r.expires_at
    from json_to_recordset(${JSON.stringify(records)}::json) as r (issuer text, jti text, expires_at timestamptz)
    order by r.issuer, r.jti
    on conflict do nothing
    returning issuer, jti`.execute(trx);
  return new Set(inserted.rows.map((row) => `${row.issuer}\n${row.jti}`));
}

/** Deletes a bounded number of replay keys whose assertions are dead; @returns how many. */
export async function deleteReplayKeys(db: Db, deadBefore: Date, limit = 5000): Promise<number> {
  const deleted = await sql`
    delete from replay_keys where (issuer, jti) in (
      select issuer, jti from replay_keys where expires_at < ${deadBefore.toISOString()}::timestamptz
      order by expires_at limit ${limit} for update skip locked)`.execute(db);
  return Number(deleted.numAffectedRows ?? 0n);
}

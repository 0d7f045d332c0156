// Rows of answers that were given to an Idempotency-Key.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';

export interface IdempotencyKey {
  actor: string;
  key: string;
}

export interface StoredAnswer {
  status: number;
  body: string;
}

/** Takes the key for this transaction; a concurrent holder is waited for. @returns the stored answer where there is one. */
export async function claimIdempotencyKey(
  trx: Transaction,
  { actor, key, hash }: IdempotencyKey & { hash: Buffer },
): Promise<(StoredAnswer & { hash: Buffer }) | undefined> {
  const taken = await trx
    .insertInto('idempotency_keys')
    .values({ actor, key, request_hash: hash, status: 0, body: '' })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .executeTakeFirst();
  if (taken) return undefined;
  return await trx
    .selectFrom('idempotency_keys')
    .select(['request_hash as hash', 'status', 'body'])
    .where('actor', '=', actor)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
}

export async function storeAnswer(
  trx: Transaction,
  { actor, key }: IdempotencyKey,
  answer: StoredAnswer,
): Promise<void> {
  await trx.updateTable('idempotency_keys').set(answer).where('actor', '=', actor).where('key', '=', key).execute();
}

/** Deletes a bounded number of answers that nobody will ask for again; @returns how many. */
export async function deleteIdempotencyKeys(db: Db, olderThan: Date, limit: number): Promise<number> {
  const deleted = await sql`
    delete from idempotency_keys where (actor, key) in (
      select actor, key from idempotency_keys where created_at < ${olderThan.toISOString()}::timestamptz
      order by created_at limit ${limit} for update skip locked)`.execute(db);
  return Number(deleted.numAffectedRows ?? 0n);
}

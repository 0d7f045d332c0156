// Idempotency-Key on creating writes: the answer is stored in the transaction of the act, and given again.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { sql } from 'kysely';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 128, pattern: '^[!-~]+$' })),
});

interface Stored {
  status: number;
  body: string;
}

/**
 * Runs a creating act at most once per (actor, Idempotency-Key) and answers 201 with its result, or the answer of the first time.
 * @throws Problem `idempotency_key_reused` when the key came with another request before.
 */
export async function createOnce<T extends object>(
  act: Act,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (trx: Transaction) => Promise<Done<T>>,
): Promise<T> {
  const key = request.headers['idempotency-key'] as string | undefined;
  const answer = await act(request.caller, async (trx) => {
    if (key === undefined) {
      const done = await work(trx);
      return { ...done, result: { status: 201, body: JSON.stringify(done.result) } };
    }
    const hash = hashRequest(request);
    const stored = await claim(trx, request.caller.id, key, hash);
    if (stored) return { result: stored, records: [], affectsDecisions: false };
    const done = await work(trx);
    const body = JSON.stringify(done.result);
    await trx.updateTable('idempotency_keys').set({ status: 201, body }).where('actor', '=', request.caller.id).where('key', '=', key).execute();
    return { ...done, result: { status: 201, body } };
  });
  reply.code(answer.status);
  return JSON.parse(answer.body) as T;
}

function hashRequest(request: FastifyRequest): Buffer {
  return createHash('sha256').update(`${request.method} ${request.url}\n${canonicalize(request.body ?? null)}`).digest();
}

/** Takes the key for this transaction; a concurrent holder is waited for. @returns the stored answer where there is one. */
async function claim(trx: Transaction, actor: string, key: string, hash: Buffer): Promise<Stored | undefined> {
  const taken = await trx
    .insertInto('idempotency_keys')
    .values({ actor, key, request_hash: hash, status: 0, body: '' })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .executeTakeFirst();
  if (taken) return undefined;
  const row = await trx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'status', 'body'])
    .where('actor', '=', actor)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  if (!hash.equals(row.request_hash)) {
    throw new Problem('idempotency_key_reused', 'This Idempotency-Key was used for another request.', {
      hint: 'Use a new key for a new request.',
    });
  }
  return row;
}

/** Deletes a bounded number of answers that nobody will ask for again. */
export async function deleteIdempotencyKeys(db: Db, olderThan: Date, limit = 5000): Promise<void> {
  await sql`
    delete from idempotency_keys where (actor, key) in (
      select actor, key from idempotency_keys where created_at < ${olderThan.toISOString()}::timestamptz
      order by created_at limit ${limit} for update skip locked)`.execute(db);
}

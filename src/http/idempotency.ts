// Idempotency-Key on creating writes: the answer is stored in the transaction of the act, and given again.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { claimIdempotencyKey, storeAnswer } from './store.ts';

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 128, pattern: '^[!-~]+$' })),
});

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
    const { id: actor } = request.caller;
    const stored = await claimIdempotencyKey(trx, { actor, key, hash });
    if (stored && !hash.equals(stored.hash)) {
      throw new Problem('idempotency_key_reused', 'This Idempotency-Key was used for another request.', {
        hint: 'Use a new key for a new request.',
      });
    }
    if (stored) return { result: stored, records: [], affectsDecisions: false };
    const done = await work(trx);
    const body = JSON.stringify(done.result);
    await storeAnswer(trx, { actor, key }, { status: 201, body });
    return { ...done, result: { status: 201, body } };
  });
  reply.code(answer.status);
  return JSON.parse(answer.body) as T;
}

function hashRequest(request: FastifyRequest): Buffer {
  return createHash('sha256')
    .update(`${request.method} ${request.url}\n${canonicalize(request.body ?? null)}`)
    .digest();
}

// One signature of one token: whether it verifies with one key. What the token says is checked by whoever asks.
import type { KeyObject } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import pLimit from 'p-limit';
import type { SignatureAlgorithm } from '../keys/algorithms.ts';

/** So many at a time: what is signed shares their threads, and would wait behind all that was begun before it. */
const inTurn = pLimit(8);

/** @param token in compact form, which `parseCompact` has found sound */
export async function verifies(token: string, key: KeyObject, algorithm: SignatureAlgorithm): Promise<boolean> {
  try {
    await inTurn(() => compactVerify(token, key, { algorithms: [algorithm] }));
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

// One signature of one token: whether it verifies with one key. What the token says is checked by whoever asks.
import type { KeyObject } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { SignatureAlgorithm } from '../keys/algorithms.ts';

/** @param token in compact form, which `parseCompact` has found sound */
export async function verifies(token: string, key: KeyObject, algorithm: SignatureAlgorithm): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

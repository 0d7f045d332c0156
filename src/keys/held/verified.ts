// A signature that another system made: it leaves only where the published key verifies it.
import { createPublicKey, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { Problem, unavailable } from '../../errors.ts';
import { type Algorithm, publicJwk } from '../algorithms.ts';
import type { Holder } from './holder.ts';

const verifyAsync = promisify(
  verify as (...args: [string, Uint8Array, object, Uint8Array, (error: Error | null, ok: boolean) => void]) => void,
);

/** @returns what signs as this key. @param publicHalf as its row has it */
export function createHeldSign(
  holder: Holder,
  key: { kid: string; name: string; algorithm: Algorithm; publicHalf: Uint8Array },
): (data: Uint8Array) => Promise<Uint8Array> {
  const { name, algorithm } = key;
  const publicKey = createPublicKey({ key: publicJwk(algorithm, key.publicHalf), format: 'jwk' });
  return async (data) => {
    const signature = await holder.sign(name, algorithm, data).catch((error: unknown) => {
      throw unavailable(`The system that holds the signing key does not sign: ${(error as Error).message}`, error);
    });
    const ok = await verifyAsync('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    if (!ok) throw unavailable('The system that holds the signing key answered with a signature that is not of it.');
    return signature;
  };
}

/** What a person hears whose ring cannot get its next key. */
export function notMade(error: unknown): Problem {
  return new Problem(
    'unavailable',
    `The next key could not be made where this ring has its keys: ${(error as Error).message}`,
    {
      ...{ retryAfter: 30, cause: error },
      hint: 'Mend that, or have the next key made in the database: countersign key signer <issuer> local. Then repeat this.',
    },
  );
}

// How a client proves who it is by a key of its own; a platform's token is proved elsewhere (src/identities/prove.ts).
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Jwks } from '../db/types.ts';
import { type Algorithm, generatePrivateKey, type PublicJwk } from '../keys/algorithms.ts';
import { verifies } from '../tokens/signature.ts';
import { fromStoredJwks, unexpiredKeys } from './keys.ts';

/** RFC 7523: an assertion whose claims were found sound; who signed it is the question. */
export interface SignedAssertion {
  /** In compact form. */
  token: string;
  algorithm: Algorithm;
  kid: string | undefined;
}

/**
 * Whether this client signed the assertion, at `now` (milliseconds since the epoch). One that is not registered, has no
 * key by that name or none any more costs a verification too: it looks like a wrong key, in time as well.
 */
export type ProvesItself = (
  client: { jwks: Jwks } | undefined,
  assertion: SignedAssertion,
  now: number,
) => Promise<boolean>;

/** Public keys kept open at most: to open one costs as much as to verify with it. */
const KEPT = 20_000;

/** Keys that nobody has: a point whose number was thrown away, and a modulus whose factors nobody knows. */
async function createDecoys(): Promise<Record<Algorithm, KeyObject>> {
  const modulus = randomBytes(256);
  modulus[0] = 0x80 | (modulus[0] as number);
  modulus[255] = 1 | (modulus[255] as number);
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' };
  return {
    ES256: createPublicKey(await generatePrivateKey('ES256')),
    RS256: createPublicKey({ key: jwk, format: 'jwk' }),
  };
}

export async function createProvesItself(): Promise<ProvesItself> {
  const decoys = await createDecoys();
  // By what the key is, not by what it is called: a row that lies about a kid changes nothing for others.
  const opened = new LRUCache<string, KeyObject>({ max: KEPT });

  function open(jwk: PublicJwk): KeyObject {
    const name = jwk.kty === 'EC' ? `${jwk.x}.${jwk.y}` : `${jwk.n}.${jwk.e}`;
    const known = opened.get(name);
    if (known) return known;
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    opened.set(name, key);
    return key;
  }

  return async (client, { token, algorithm, kid }, now) => {
    const keys = client ? unexpiredKeys(fromStoredJwks(client.jwks), now) : [];
    const named = keys.filter((key) => key.alg === algorithm && (kid === undefined || key.kid === kid));
    if (named.length === 0) {
      await verifies(token, decoys[algorithm], algorithm);
      return false;
    }
    for (const { jwk } of named) if (await verifies(token, open(jwk), algorithm)) return true;
    return false;
  };
}

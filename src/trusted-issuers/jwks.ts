// A JWKS of somebody else's as keys to verify with: what is not sound is left out, and no key serves an algorithm of another kind.
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../keys/algorithms.ts';
import { PRIVATE_MEMBERS } from '../reach/documents.ts';
import { KIND, type KindName } from './kinds.ts';

export interface VerificationKey {
  key: KeyObject;
  /** Those that this key may be used with, and no others. */
  algorithms: readonly SignatureAlgorithm[];
}

export type VerificationKeys = ReadonlyMap<string, VerificationKey>;

const MAX_KEYS = 100;
const OF_CURVE: Record<string, SignatureAlgorithm> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const OF_RSA = SIGNATURE_ALGORITHMS.filter((name) => name.startsWith('RS') || name.startsWith('PS'));

type Jwk = Record<string, unknown>;

/** By the kind of key, and by `alg` where it says one. */
function algorithmsOf({ kty, crv, alg }: Jwk): readonly SignatureAlgorithm[] {
  const curve = typeof crv === 'string' && Object.hasOwn(OF_CURVE, crv) ? OF_CURVE[crv] : undefined;
  const fitting = kty === 'RSA' ? OF_RSA : kty === 'EC' && curve ? [curve] : [];
  return alg === undefined ? fitting : fitting.filter((name) => name === alg);
}

function readKey(jwk: Jwk): KeyObject | undefined {
  // Whoever publishes a private half shares that key with everybody.
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return undefined;
  const { kty, crv, x, y, n, e } = jwk;
  try {
    const key = createPublicKey({
      key: (kty === 'EC' ? { kty, crv, x, y } : { kty, n, e }) as JsonWebKey,
      format: 'jwk',
    });
    const { modulusLength = 2048, publicExponent = 65537n } = key.asymmetricKeyDetails ?? {};
    return modulusLength >= 2048 && modulusLength <= 8192 && publicExponent === 65537n ? key : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keys by kid. Without a kid, of another use, too short, or with a kid that two keys have: left out.
 * @param uses what `use` may be beside `sig`
 * @returns undefined where it is no JWKS, or one of more than a hundred keys
 */
export function readJwks(document: unknown, uses: readonly string[]): VerificationKeys | undefined {
  const keys = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) return undefined;
  const found = new Map<string, VerificationKey | undefined>();
  for (const jwk of keys as (Jwk | null)[]) {
    const kid = jwk?.['kid'];
    if (!jwk || typeof kid !== 'string' || kid.length === 0 || kid.length > 256) continue;
    const use = jwk['use'];
    if (use !== undefined && use !== 'sig' && !uses.includes(use as string)) continue;
    const algorithms = algorithmsOf(jwk);
    const key = algorithms.length > 0 ? readKey(jwk) : undefined;
    // Two of one name are none: whichever was meant, the other would be taken for it.
    found.set(kid, key && !found.has(kid) ? { key, algorithms } : undefined);
  }
  return new Map([...found].filter((entry): entry is [string, VerificationKey] => entry[1] !== undefined));
}

/** Those of an issuer whose keys were pasted; none where they are fetched. */
export function readPasted({ jwks, kind }: { jwks: unknown; kind: KindName }): VerificationKeys {
  return readJwks(jwks, KIND[kind].use) ?? new Map();
}

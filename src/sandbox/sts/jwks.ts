// AWS's copy of an issuer's public keys: fetched when first needed, kept for a time, and not refetched for an unknown kid.
import { createPublicKey, X509Certificate } from 'node:crypto';
import { invalidIdentityToken } from '../wire/error.ts';
import type { World } from '../world.ts';
import { DEADLINE_MS, fetchDiscovery } from './discovery.ts';
import { fetchDocument } from './fetch-document.ts';

export type Jwk = Readonly<Record<string, unknown>>;

export interface CachedJwks {
  keys: readonly Jwk[];
  /** What discovery lists; a token signed otherwise is refused. */
  algorithms: readonly string[];
  /** When it was asked for: the copy may be as old as that. */
  fetchedAt: number;
  /** The issuer said no-cache, no-store or max-age=0: AWS was seen to look again within two seconds. */
  uncacheable: boolean;
}

const UNCACHEABLE_MS = 2000;
const MAX_KEYS_OF_A_KIND = 100;

/** AWS's words, whatever the reason: unreachable, slow, malformed, or no such key. */
function noKey(): Error {
  return invalidIdentityToken(
    "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
  );
}

function readKeys(value: unknown): Jwk[] {
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new Error('the JWKS has no keys');
  for (const kind of ['RSA', 'EC']) {
    if (keys.filter((key: Jwk) => key?.['kty'] === kind).length > MAX_KEYS_OF_A_KIND) {
      throw new Error(`the JWKS has more than ${MAX_KEYS_OF_A_KIND} ${kind} keys`);
    }
  }
  return keys.filter((key): key is Jwk => typeof key === 'object' && key !== null);
}

async function fetchJwks(world: World, issuer: string): Promise<CachedJwks> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const fetchedAt = world.now();
  const { jwksUri, algorithms } = await fetchDiscovery(issuer, signal);
  const { value, cacheControl } = await fetchDocument(jwksUri, signal);
  const uncacheable = /\b(no-cache|no-store|max-age=0)\b/.test(cacheControl);
  return { keys: readKeys(value), algorithms, fetchedAt, uncacheable };
}

async function cachedJwks(world: World, issuer: string): Promise<CachedJwks> {
  const known = world.jwks.get(issuer);
  const age = known ? world.now() - known.fetchedAt : Number.POSITIVE_INFINITY;
  const limit = world.options.jwksCacheSeconds * 1000;
  if (known && age < (known.uncacheable ? Math.min(limit, UNCACHEABLE_MS) : limit)) return known;
  try {
    const fresh = await fetchJwks(world, issuer);
    // Two at once: an answer that took longer is not put over one that was asked for later.
    const other = world.jwks.get(issuer);
    if (!other || other.fetchedAt <= fresh.fetchedAt) world.jwks.set(issuer, fresh);
    return fresh;
  } catch (cause) {
    world.log({ event: 'issuer unusable', issuer, reason: (cause as Error).message });
    throw noKey();
  }
}

function certificateMatches(jwk: Jwk): boolean {
  const chain = jwk['x5c'];
  if (!Array.isArray(chain) || typeof chain[0] !== 'string') return false;
  const der = (key: ReturnType<typeof createPublicKey>): Buffer => key.export({ type: 'spki', format: 'der' });
  try {
    const leaf = new X509Certificate(Buffer.from(chain[0], 'base64'));
    return der(leaf.publicKey).equals(der(createPublicKey({ key: jwk as never, format: 'jwk' })));
  } catch {
    return false;
  }
}

const KEY_OF_ALGORITHM: Record<string, { kty: string; crv?: string }> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
};

/** No PS*, no EdDSA, no HMAC. */
export const ALGORITHMS = Object.keys(KEY_OF_ALGORITHM);

function usable(jwk: Jwk, alg: string): boolean {
  const wanted = KEY_OF_ALGORITHM[alg];
  if (jwk['kty'] !== wanted?.kty || (wanted?.crv !== undefined && jwk['crv'] !== wanted.crv)) return false;
  if ('key_ops' in jwk) return false;
  if ('use' in jwk && jwk['use'] !== 'sig') return false;
  if ('alg' in jwk && jwk['alg'] !== alg) return false;
  return !('x5c' in jwk) || certificateMatches(jwk);
}

/**
 * The key of this kid, if AWS would use it for this algorithm. Of duplicate kids the last one counts, usable or not.
 * @throws AwsError InvalidIdentityToken "Couldn't retrieve verification key …"
 */
export async function findKey(world: World, issuer: string, kid: string, alg: string): Promise<Jwk> {
  const { keys, algorithms } = await cachedJwks(world, issuer);
  const jwk = keys.findLast((key) => key['kid'] === kid);
  if (!jwk || !algorithms.includes(alg) || !usable(jwk, alg)) throw noKey();
  return jwk;
}

// The public keys of one client: at most ten, each with its life, as they are stored and as they are shown.
import { Problem } from '../errors.ts';
import type { Jwks } from '../db/types.ts';
import { parseTime } from '../http/times.ts';
import type { Algorithm, PublicJwk } from '../keys/algorithms.ts';
import { parsePublicJwk } from './jwk.ts';
import type { JwkInput } from './schema.ts';

export const MAX_KEYS = 10;

export interface ClientKey {
  /** RFC 7638 thumbprint. */
  kid: string;
  alg: Algorithm;
  jwk: PublicJwk;
  /** RFC 3339. */
  created_at: string;
  expires_at: string | null;
}

/**
 * @param now milliseconds since the epoch.
 * @throws Problem `invalid_key`, or `invalid_request` for an end that is no time or has passed.
 */
export function createKey(input: { jwk: JwkInput; expires_at?: string }, now: number): ClientKey {
  const { kid, alg, jwk } = parsePublicJwk(input.jwk);
  return { kid, alg, jwk, created_at: new Date(now).toISOString(), expires_at: parseExpiry(input.expires_at, now) };
}

function parseExpiry(text: string | undefined, now: number): string | null {
  if (text === undefined) return null;
  const at = parseTime(text);
  if (at === undefined || at <= now) {
    throw new Problem('invalid_request', 'body.expires_at is not a time in the future.', {
      hint: 'Give an RFC 3339 time in UTC, or leave it out.',
    });
  }
  return new Date(at).toISOString();
}

/** @throws Problem `key_exists` or `too_many_keys` */
export function addKey(keys: readonly ClientKey[], key: ClientKey): ClientKey[] {
  if (keys.some(({ kid }) => kid === key.kid)) {
    throw new Problem('key_exists', `This key is already registered, as ${key.kid}.`, {
      hint: 'To rotate, register a new key.',
    });
  }
  if (keys.length >= MAX_KEYS) {
    throw new Problem('too_many_keys', `There are ${MAX_KEYS} keys already, expired ones among them.`, {
      hint: 'Delete one first.',
    });
  }
  return [...keys, key];
}

/** The keys of a new client, without an end. @throws Problem `invalid_key` or `key_exists` */
export function createKeys(jwks: readonly JwkInput[], now: number): ClientKey[] {
  return jwks.reduce<ClientKey[]>((keys, jwk) => addKey(keys, createKey({ jwk }, now)), []);
}

/** Keys that may still prove something at `now`, milliseconds since the epoch. */
export function unexpiredKeys(keys: readonly ClientKey[], now: number): ClientKey[] {
  return keys.filter(({ expires_at }) => expires_at === null || Date.parse(expires_at) > now);
}

export function toStoredJwks(keys: readonly ClientKey[]): string {
  return JSON.stringify({
    keys: keys.map(({ kid, alg, jwk, created_at, expires_at }) => ({
      ...{ ...jwk, kid, alg, created_at },
      ...(expires_at === null ? {} : { expires_at }),
    })),
  });
}

export function fromStoredJwks(jwks: Jwks): ClientKey[] {
  return jwks.keys.map((stored) => {
    const { kid, alg, created_at, expires_at = null, ...jwk } = stored;
    return { kid, alg, jwk, created_at, expires_at } as unknown as ClientKey;
  });
}

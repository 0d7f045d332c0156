// Verification: one function per kind of token, each with its own algorithm, typ, issuer, audience, claims and age.
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Problem } from '../errors.ts';
import { PLATFORM } from '../issuers/documents.ts';
import { publicJwk } from '../keys/algorithms.ts';
import { ringId } from '../keys/store.ts';
import { publishedKeys } from '../keys/timeline.ts';
import type { RingView } from '../keys/view.ts';
import { type Compact, MalformedToken, parseCompact } from './compact.ts';
import { verifies } from './signature.ts';

export interface VerifiedToken {
  /** `wl_…`, `ad_…` or `host`. */
  subject: string;
  audience: string;
  scopes: string[];
  jti: string;
  kid: string;
  expiresAt: number;
  /** Self-asserted on the host's socket; or of a person who signed in. */
  as?: string | undefined;
  /** Of a client that proved itself by an identity: which. */
  identity?: string | undefined;
  reason?: string | undefined;
}

export interface VerifyDeps {
  issuerUrl: string;
  view: RingView;
}

const LONGEST_LIFE_SECONDS = 900;
/** Tokens that are remembered. */
const REMEMBERED = 10_000;
/** Between replicas' clocks: those that sign agree with the database's within e. */
const TOLERANCE_SECONDS = 5;

/** Why a token is not taken, as its bearer is told. */
export function refused(detail: string, hint = 'Ask the token endpoint for a new token.'): Problem {
  return new Problem('invalid_token', `The token was refused: ${detail}.`, { hint });
}

interface Signed {
  /** That its signature verifies with. */
  key: KeyObject;
  compact: Compact;
}

function read(token: string): Compact {
  try {
    return parseCompact(token);
  } catch (error) {
    if (!(error instanceof MalformedToken)) throw error;
    throw refused(error.message, 'Send the access token as the token endpoint gave it.');
  }
}

/** A good token of ours, shown where another audience is wanted: whose it is, is known, so that the refusal can be on record. */
export class WrongAudience extends Problem {
  /** `wl_…`, `ad_…` or `host`. */
  readonly bearer: string;

  constructor(bearer: string, resource: string) {
    super('invalid_token', 'The token was refused: its audience is not this resource.', {
      hint: `Ask for a token with resource=${resource}.`,
    });
    this.bearer = bearer;
  }
}

/** @param resource what to ask a token for, where this one's audience is another */
export type VerifyWorkloadToken = (
  token: string,
  accepts: (audience: string) => boolean,
  resource: string,
) => Promise<VerifiedToken>;

/**
 * Workload tokens (RFC 9068, section 4): ES256 by a published key of the platform's, `typ: at+jwt`, this issuer, one
 * string audience that the resource accepts, at most 15 minutes long.
 * @throws Problem `invalid_token`; WrongAudience, where that alone is wrong
 */
export function createVerifyWorkloadToken({ issuerUrl, view }: VerifyDeps): VerifyWorkloadToken {
  const keys = new LRUCache<string, KeyObject>({ max: 64 });

  function findKey(kid: string): KeyObject | undefined {
    const ring = view.find(PLATFORM)?.find((candidate) => candidate.id === ringId(PLATFORM, 'ES256'));
    const key = ring && publishedKeys(ring.keys, view.now()).find((candidate) => candidate.kid === kid);
    if (!key) return undefined;
    let opened = keys.get(kid);
    if (!opened) {
      opened = createPublicKey({ key: publicJwk('ES256', key.public), format: 'jwk' });
      keys.set(kid, opened);
    }
    return opened;
  }

  // What these bytes say, and that this key signed them, was found out once and stays so; all else is looked at each time.
  const signed = new LRUCache<string, Signed>({ max: REMEMBERED });

  return async (token, accepts, resource) => {
    const digest = hash('sha256', token, 'base64');
    const before = signed.get(digest);
    const compact = before?.compact ?? read(token);
    const { header, payload } = compact;
    if (header['alg'] !== 'ES256') throw refused('its algorithm is not one of ours');
    if (header['typ'] !== 'at+jwt') throw refused('it is not an access token (typ)');
    const kid = header['kid'];
    if (typeof kid !== 'string') throw refused('it names no key');
    if (!view.mayServe())
      throw new Problem('unavailable', 'The signing keys cannot be read now.', {
        retryAfter: 1,
        hint: 'Try again in a moment.',
      });
    const key = findKey(kid);
    if (!key) throw refused('its key is not one of ours, or was removed or revoked');
    if (before?.key !== key) {
      if (!(await verifies(token, key, 'ES256'))) throw refused('its signature does not verify');
      signed.set(digest, { key, compact });
    }
    const { iss, sub, client_id, aud, iat, exp, jti, scope, as, identity, reason } = payload;
    if (iss !== issuerUrl) throw refused('its issuer is another');
    if (typeof aud !== 'string') throw refused('its audience is not one string');
    if (typeof sub !== 'string' || client_id !== sub || typeof jti !== 'string')
      throw refused('it lacks a claim that it must have');
    if (!Number.isInteger(iat) || !Number.isInteger(exp)) throw refused('its times are not whole seconds');
    // The database's time: nobody compares this machine's clock before a token is taken, as before one is given.
    const now = view.now() / 1000;
    const [issuedAt, expiresAt] = [iat as number, exp as number];
    if (expiresAt <= now) throw refused('it has expired');
    if (issuedAt > now + TOLERANCE_SECONDS) throw refused('it is from the future');
    if (expiresAt - issuedAt > LONGEST_LIFE_SECONDS) throw refused('it lives too long');
    if (scope !== undefined && typeof scope !== 'string') throw refused('its scope is not a string');
    // Last, when all else about it is known to be true.
    if (!accepts(aud)) throw new WrongAudience(sub, resource);
    return {
      ...{ subject: sub, audience: aud, jti, kid, expiresAt },
      scopes: scope ? scope.split(' ') : [],
      as: typeof as === 'string' ? as : undefined,
      identity: typeof identity === 'string' ? identity : undefined,
      reason: typeof reason === 'string' ? reason : undefined,
    };
  };
}

// What canaries say about a key: pure functions of the looks at it. Times are milliseconds since the epoch.
import { type KeyPolicy, maxAgeSeconds } from './policy.ts';

export interface Canary {
  /** The canary's jti, or a number of its own where none was made. */
  id: string;
  kid: string;
  at: number;
  about: 'standby' | 'revocation';
  /** `accepted` and `refused` are said of the key; `unclear` of something else, which the code names. */
  outcome: 'accepted' | 'refused' | 'unclear';
  /** AWS's code, or a word of ours in lower case. */
  code?: string | undefined;
  requestId?: string | undefined;
}

/** A standby that STS took is asked about once more only after this. */
export const PROOF_KEPT = 24 * 3_600_000;

/** STS is many hosts, and one with a broken copy of the JWKS is no verdict: so many looks, so far apart. */
export const LOOKS = 3;
export const BETWEEN_LOOKS = 60_000;

export interface StandbyProof {
  /** `waiting`: refused a moment ago, and asked again at `until`. */
  state: 'proved' | 'open' | 'waiting';
  until: number;
  /** Looks since STS last took it at which it did not. */
  refusals: number;
}

const inARow = (looks: readonly Canary[]): Canary[] => {
  const clear = looks.filter(({ outcome }) => outcome !== 'unclear');
  return clear.slice(clear.findLastIndex(({ outcome }) => outcome === 'accepted') + 1);
};

/** @param looks at this standby, oldest first */
export function standbyProof(looks: readonly Canary[], now: number): StandbyProof {
  const refused = inARow(looks);
  const last = refused.at(-1);
  if (last) {
    const until = last.at + BETWEEN_LOOKS;
    return { state: now < until ? 'waiting' : 'open', until, refusals: refused.length };
  }
  const accepted = looks.findLast(({ outcome }) => outcome === 'accepted');
  const proved = accepted !== undefined && now < accepted.at + PROOF_KEPT;
  return { state: proved ? 'proved' : 'open', until: now, refusals: 0 };
}

/**
 * A revoked key's refusals in a row that prove it. They span one max-age of the JWKS: a host that read it a moment before
 * the revocation has read it anew by then. One host in three that still takes the key would go unseen once in eleven times.
 */
export const REFUSALS = 6;

export interface RevocationStanding {
  looks: number;
  lastAcceptedAt?: number | undefined;
  /** The first of the refusals that no acceptance follows. */
  firstRefusedAt?: number | undefined;
  refusals: number;
  proved: boolean;
}

/** @param looks at this key since its revocation, oldest first */
export function revocationStanding(looks: readonly Canary[]): RevocationStanding {
  const refused = inARow(looks);
  return {
    looks: looks.length,
    lastAcceptedAt: looks.findLast(({ outcome }) => outcome === 'accepted')?.at,
    firstRefusedAt: refused[0]?.at,
    refusals: refused.length,
    proved: refused.length >= REFUSALS,
  };
}

const LONGEST_WAIT = 3_600_000;

/**
 * When STS is asked next: a quarter of the time that has passed, so that the answer is as exact as it is late; refusals
 * one after the other within a max-age.
 */
export function nextLookAt(
  policy: KeyPolicy,
  { startedAt, now, refusals }: { startedAt: number; now: number; refusals: number },
): number {
  const maxAge = maxAgeSeconds(policy) * 1000;
  const step = Math.max(1000, Math.floor(maxAge / (REFUSALS - 1)));
  if (refusals > 0) return now + step;
  return now + Math.min(LONGEST_WAIT, Math.max(1000, Math.floor(maxAge / 60), Math.floor((now - startedAt) / 4)));
}

// What must hold before a ring's standby signs: in the facts, under the ring's lock; and outside them, looked at before it.
import { iso } from '../clock.ts';
import { Problem } from '../errors.ts';
import type { Ring, RingKey } from './facts.ts';
import { type KeyPolicy, MAX_KEYS } from './policy.ts';
import { publishedKeys, seasonedAt, standbyKey } from './timeline.ts';

/** A ring under its row's lock, and the clock read after the wait. */
export interface Locked {
  ring: Ring;
  policy: KeyPolicy;
  now: number;
}

/**
 * Looks outside the database, in no transaction: is this standby in the documents that are served, does the cloud's STS
 * accept it. @returns what is missing, with `retryAfter` where time may mend it; undefined where it may sign.
 */
export type Check = (ring: Ring, standby: RingKey) => Promise<Problem | undefined>;

/** Its connection was disconnected: there is nothing left to rotate or to hold. */
export function ringRetired(): Problem {
  return new Problem('ring_retired', 'The connection of this ring was disconnected: its private keys are destroyed.', {
    hint: 'Nothing is to be done. A new connection has an issuer and keys of its own.',
  });
}

/** Whoever reads the copy there now does not know the standby, and may use that copy for A. */
function unplaced(target: string, policy: KeyPolicy): Problem {
  return new Problem('standby_unseasoned', `The standby key is not yet published to ${target}.`, {
    hint: `Run countersign publish --to ${target}; the key may sign A + e after it is in place there, and the one that signs now goes on signing.`,
    retryAfter: Math.ceil((policy.verifierCache + policy.clockError) / 1000),
    extra: { not_published_to: target },
  });
}

/** A revocation after which callers may be refused: said before, and done only when that is accepted. */
export function outageAhead(code: 'standby_unseasoned' | 'outage_ahead', because: string, until: number): Problem {
  return new Problem(code, `${because} before ${iso(until)}: revoking now may refuse callers until then.`, {
    hint: 'Repeat it with accept_outage: true if it must be now.',
    extra: code === 'standby_unseasoned' ? { seasoned_at: iso(until) } : { outage_until: iso(until) },
  });
}

/** Where the facts do not let the standby sign: what is missing, and from when it is there. */
export function obstacle({ ring, policy, now }: Locked): Problem | undefined {
  if (ring.retired) return ringRetired();
  if (ring.heldUntil !== undefined && ring.heldUntil > now) {
    return new Problem('ring_held', `Rotations of this ring are on hold until ${iso(ring.heldUntil)}.`, {
      hint: 'Resume it first, or wait.',
      extra: { until: iso(ring.heldUntil) },
    });
  }
  const standby = standbyKey(ring.keys, now);
  if (standby?.placement && 'lackedBy' in standby.placement) return unplaced(standby.placement.lackedBy, policy);
  if (standby && seasonedAt(standby, policy) > now) {
    const from = iso(seasonedAt(standby, policy));
    return new Problem(
      'standby_unseasoned',
      `The standby key was published too recently: verifiers may not know it before ${from}.`,
      {
        hint: `Try again from ${from}; the key that signs now goes on signing.`,
        retryAfter: Math.ceil((seasonedAt(standby, policy) - now) / 1000),
        extra: { seasoned_at: from },
      },
    );
  }
  if (publishedKeys(ring.keys, now).length + 1 > MAX_KEYS) {
    return new Problem('ring_full', `This ring has ${MAX_KEYS} published keys already.`, {
      hint: 'Wait until the oldest verify-only key is removed.',
    });
  }
  return undefined;
}

/** The first check that does not pass; they are asked in order. */
export async function checkStandby(
  checks: readonly Check[],
  ring: Ring,
  standby: RingKey,
): Promise<Problem | undefined> {
  for (const check of checks) {
    const problem = await check(ring, standby);
    if (problem) return problem;
  }
  return undefined;
}

/** From when an obstacle may be gone; milliseconds since the epoch. */
export function retryAt(problem: Problem, now: number): number {
  const { extra, retryAfter } = problem.options;
  const named = extra?.['seasoned_at'] ?? extra?.['until'];
  if (typeof named === 'string') return Date.parse(named);
  return now + (retryAfter === undefined ? 60_000 : retryAfter * 1000);
}

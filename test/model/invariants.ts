// What must hold at every moment: each replica signs and is asked for its JWKS whenever it can be, and every promise is looked at.
import type { KeyPolicy } from '../../src/keys/policy.ts';
import { activeKey, keyState, publishedKeys } from '../../src/keys/timeline.ts';
import { MAX_KEYS, seasoning } from '../../src/keys/policy.ts';
import { LIFE, type Rules, UNIT } from './rules.ts';
import type { ModelKey, Setting, State } from './state.ts';

export const INVARIANTS = {
  verifies: 'a token of an unrevoked key verifies at every verifier whose cache is at most A old, from iat to exp + S',
  oneActive: 'a ring has one active key, not two and not none',
  revoked: 'after a revocation committed at t nobody signs with it past t + R',
  published: 'a key not born with its ring was published A + D + e before its first signature, accepted outages apart',
  tenKeys: 'at most 10 keys in a set',
  privateHalf: 'whoever may sign with a key finds its private half',
  held: 'a ring on hold is not rotated',
} as const;

export type InvariantName = keyof typeof INVARIANTS;

const past = (at: number | undefined, now: number): boolean => at === undefined || at < now;

/** The least and the most that any policy so far has asked for. */
function bounds(state: State, value: (policy: KeyPolicy) => number): { least: number; most: number } {
  const values = state.facts.policies.map(({ policy }) => value(policy));
  return { least: Math.min(...values), most: Math.max(...values) };
}

/**
 * A signature and a fetched JWKS change nothing but what is owed: so every replica that can sign does, and every JWKS that
 * can be fetched is, at every moment. For each key it is enough to know the last token, and the last cache without it.
 */
export function observe(before: State, setting: Setting, rules: Rules, asked: ReadonlySet<InvariantName>): State {
  const { now, facts } = before;
  const { lackedUntil, tokensUntil, signedSince } = before;
  const state = {
    ...before,
    lackedUntil: { ...lackedUntil },
    tokensUntil: { ...tokensUntil },
    signedSince: { ...signedSince },
  };
  let broken: string | undefined;
  const found = (invariant: InvariantName, why: string): void => {
    if (asked.has(invariant)) broken ??= `${INVARIANTS[invariant]}: ${why}`;
  };

  if (before.rotatedUnderHold) found('held', before.rotatedUnderHold);

  if (facts.keys.filter((key) => keyState(key, now) === 'active').length !== 1)
    found('oneActive', `${facts.keys.map((key) => `${key.kid} ${keyState(key, now)}`).join(', ')}`);

  for (const [index, { view }] of state.replicas.entries()) {
    const { keys } = view.facts;
    const policy = rules.obeyedPolicy(view.facts.policies);
    const age = now - view.since;
    if (rules.mayServe(age, policy)) {
      const served = publishedKeys(keys, now);
      if (served.length > MAX_KEYS) found('tenKeys', `replica ${index + 1} serves ${served.length}`);
      for (const { kid } of facts.keys) {
        if (served.some((key) => key.kid === kid)) continue;
        state.lackedUntil[kid] = Math.max(state.lackedUntil[kid] ?? 0, now + policy.verifierCache);
      }
    }
    const signing = activeKey(keys, now) as ModelKey | undefined;
    if (!signing || !rules.maySign(age, policy)) continue;
    const { kid } = signing;
    const revokedAt = state.revoked[kid];
    if (revokedAt !== undefined && now >= revokedAt + bounds(state, (each) => each.oldestSigned).most)
      found('revoked', `replica ${index + 1} signs with ${kid}`);
    const known = facts.keys.find((key) => key.kid === kid) as ModelKey;
    if (revokedAt === undefined && known.destroyedAt !== undefined && known.destroyedAt <= now)
      found('privateHalf', `replica ${index + 1} may sign with ${kid}`);
    const since = (state.signedSince[kid] ??= now);
    if (since === now && !known.bornWithRing && known.outageUntil === undefined) {
      const least = bounds(state, seasoning).least;
      if (now - known.publishedAt < least)
        found('published', `${kid} signs ${(now - known.publishedAt) / UNIT} after its publication`);
    }
    // What of e is not the way to a commit is the clock's: ahead by so much, the token lives so much longer.
    const ahead = policy.clockError - setting.commitDelay;
    const wall = rules.clockChecked ? ahead : ahead + UNIT;
    state.tokensUntil[kid] = Math.max(state.tokensUntil[kid] ?? 0, now + wall + LIFE + UNIT);
  }

  for (const key of facts.keys) {
    const { kid, outageUntil, revokedAt } = key;
    const owed = revokedAt === undefined && past(outageUntil, now + 1);
    if (owed && !past(state.tokensUntil[kid], now) && !past(state.lackedUntil[kid], now))
      found('verifies', `some verifier knows no ${kid}, of which there are tokens`);
  }
  return broken === undefined ? state : { ...state, broken };
}

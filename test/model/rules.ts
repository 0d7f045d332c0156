// What the product decides by, as the model runs it: the real pure functions, and the order of things around them.
import { type Locked, obstacle } from '../../src/keys/conditions.ts';
import {
  destruction,
  effectivePolicy,
  type KeyPolicy,
  LEEWAY,
  LONGEST_LIFE,
  obeyedPolicy,
  retirement,
} from '../../src/keys/policy.ts';
import { seasonedAt } from '../../src/keys/timeline.ts';

/** One step of the model's clock: S is one, T of a workload token three. */
export const UNIT = LEEWAY;
export const PURPOSE = 'workload_token';
export const LIFE = LONGEST_LIFE[PURPOSE];

export interface Rules {
  seasonedAt: typeof seasonedAt;
  retirement: (policy: KeyPolicy) => number;
  destruction: (policy: KeyPolicy) => number;
  /** By what acts reckon. */
  effectivePolicy: typeof effectivePolicy;
  /** By what a replica serves and signs that knows these versions. */
  obeyedPolicy: typeof obeyedPolicy;
  /** Whether the facts stand against a rotation. */
  obstacle: (locked: Locked) => boolean;
  /** A revocation of an active key whose standby is not seasoned waits for `accept_outage`. */
  asksForOutage: boolean;
  maySign: (age: number, policy: KeyPolicy) => boolean;
  mayServe: (age: number, policy: KeyPolicy) => boolean;
  /** From when a view's age counts. */
  viewAge: 'sending' | 'answer';
  /** Policies are read before the rings of a view, or after them. */
  policies: 'before' | 'after';
  /** A ring's row is locked by whoever writes facts about it. */
  ringLock: boolean;
  /** A change of the policy waits for whoever holds a ring, and holds up who comes after. */
  policyLock: boolean;
  /** Of a rotation or revocation; else each statement stands for itself. */
  transaction: boolean;
  /** Each activation is a row; else one row a ring is updated, and tells of the last activation alone. */
  activations: 'inserted' | 'updated';
  /** Whoever commits later after the time in the rows than its part of e is rolled back. */
  commitChecked: boolean;
  /** A replica whose wall clock is off by more than e does not sign. */
  clockChecked: boolean;
}

export const PRODUCT: Rules = {
  seasonedAt,
  retirement: (policy) => retirement(policy, PURPOSE),
  destruction,
  effectivePolicy,
  obeyedPolicy,
  obstacle: (locked) => obstacle(locked) !== undefined,
  asksForOutage: true,
  maySign: (age, { oldestSigned }) => age < oldestSigned,
  mayServe: (age, { oldestServed }) => age < oldestServed,
  viewAge: 'sending',
  policies: 'before',
  ringLock: true,
  policyLock: true,
  transaction: true,
  activations: 'inserted',
  commitChecked: true,
  clockChecked: true,
};

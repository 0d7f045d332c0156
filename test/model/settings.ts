// Small worlds to search: few units each, so that every interleaving in them can be looked at.
import { unsoundLines, type KeyPolicy } from '../../src/keys/policy.ts';
import { UNIT } from './rules.ts';
import type { Setting } from './state.ts';

/** A, D, R and e in units; the period is above every other. */
export function policyOf(a: number, d: number, r: number, e: number): KeyPolicy {
  const policy = {
    ...{ verifierCache: a * UNIT, oldestServed: d * UNIT, oldestSigned: r * UNIT, clockError: e * UNIT },
    period: 100 * UNIT,
  };
  const unsound = unsoundLines(policy);
  if (unsound.length > 0) throw new Error(unsound.join('; '));
  return policy;
}

/** All of e is the way to a commit; or all of it is the clocks'. */
const COMMITS = { commitDelay: UNIT };
const CLOCKS = { commitDelay: 0 };

export const SETTINGS = {
  rotations: { policy: policyOf(2, 2, 2, 1), replicas: 3, ...COMMITS, left: { rotations: 3 } },
  clocks: { policy: policyOf(2, 2, 2, 1), replicas: 3, ...CLOCKS, left: { rotations: 3 } },
  late: { policy: policyOf(1, 2, 1, 1), replicas: 2, ...COMMITS, lateness: UNIT, left: { rotations: 2 } },
  both: { policy: policyOf(1, 2, 2, 2), replicas: 3, ...COMMITS, left: { rotations: 2 } },
  cutOff: { policy: policyOf(1, 4, 1, 1), replicas: 3, ...COMMITS, left: { rotations: 2 } },
  slowReads: {
    policy: policyOf(1, 2, 2, 1),
    replicas: 3,
    ...COMMITS,
    readDelay: UNIT,
    left: { rotations: 2, slowReads: 1 },
  },
  revocations: { policy: policyOf(1, 2, 1, 1), replicas: 2, ...COMMITS, left: { rotations: 2, revocations: 1 } },
  twoRevocations: { policy: policyOf(1, 1, 1, 1), replicas: 2, ...CLOCKS, left: { rotations: 1, revocations: 2 } },
  holds: { policy: policyOf(1, 1, 1, 1), replicas: 2, ...COMMITS, left: { rotations: 2, holds: 2 } },
  /** A key set can fill up: in smaller units, a key stays for ten times as long as it takes to be seasoned. */
  crowded: {
    policy: policyOf(0.1, 0.1, 0.1, 0.1),
    unit: UNIT / 10,
    replicas: 1,
    ...CLOCKS,
    eager: true,
    left: { rotations: 11 },
  },
  lowered: {
    ...{ policy: policyOf(1, 3, 1, 1), changes: [policyOf(1, 1, 1, 1)], replicas: 2 },
    ...{ ...COMMITS, left: { rotations: 2, policies: 1 } },
  },
  loweredCache: {
    ...{ policy: policyOf(3, 1, 1, 1), changes: [policyOf(1, 1, 1, 1)], replicas: 2 },
    ...{ ...COMMITS, left: { rotations: 2, policies: 1 } },
  },
  loweredError: {
    ...{ policy: policyOf(1, 2, 2, 3), changes: [policyOf(1, 2, 2, 1)], replicas: 2 },
    ...{ ...CLOCKS, left: { rotations: 1, policies: 1 } },
  },
  raisedServed: {
    ...{ policy: policyOf(1, 1, 1, 1), changes: [policyOf(2, 1, 1, 1), policyOf(1, 2, 1, 1)], replicas: 2 },
    ...{ ...COMMITS, left: { rotations: 2, policies: 1 } },
  },
  raisedSigned: {
    ...{ policy: policyOf(1, 4, 1, 1), changes: [policyOf(1, 4, 4, 1)], replicas: 2 },
    ...{ ...COMMITS, readDelay: UNIT, left: { rotations: 1, policies: 1, slowReads: 1 } },
  },
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

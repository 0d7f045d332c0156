// Mistakes that somebody could make, one each: the search must find what breaks.
import type { KeyPolicy } from '../../src/keys/policy.ts';
import { obstacle } from '../../src/keys/conditions.ts';
import type { InvariantName } from './invariants.ts';
import { LIFE, PRODUCT, type Rules, UNIT } from './rules.ts';
import type { SettingName } from './settings.ts';

export interface Fault {
  name: string;
  rules: Partial<Rules>;
  breaks: InvariantName;
  in: SettingName;
}

/** The real conditions under another arithmetic. */
const seasoned = (bent: (policy: KeyPolicy) => KeyPolicy): Partial<Rules> => ({
  obstacle: (locked) => obstacle({ ...locked, policy: bent(locked.policy) }) !== undefined,
  seasonedAt: (key, policy) => PRODUCT.seasonedAt(key, bent(policy)),
});
const retired = (less: (policy: KeyPolicy) => number): Partial<Rules> => ({
  retirement: (policy) => PRODUCT.retirement(policy) - less(policy),
});
const verifies = { breaks: 'verifies', in: 'rotations' } as const;

/** The rest of what stands against a rotation, without one line of it. */
const withoutLine = (code: string): Partial<Rules> => ({
  obstacle: (locked) => {
    const problem = obstacle(locked);
    return problem !== undefined && problem.code !== code;
  },
});

export const FAULTS: readonly Fault[] = [
  {
    name: 'A + D + e, one unit less',
    rules: seasoned((p) => ({ ...p, verifierCache: p.verifierCache - UNIT })),
    ...verifies,
  },
  { name: 'A forgotten', rules: seasoned((p) => ({ ...p, verifierCache: 0 })), ...verifies },
  { name: 'D forgotten', rules: seasoned((p) => ({ ...p, oldestServed: 0 })), ...verifies },
  { name: 'e forgotten in A + D + e', rules: seasoned((p) => ({ ...p, clockError: 0 })), ...verifies },
  { name: 'R + T + S + e, one unit less', rules: retired(() => UNIT), ...verifies },
  { name: 'one unit less where all of e is the clocks', rules: retired(() => UNIT), breaks: 'verifies', in: 'clocks' },
  { name: 'R forgotten', rules: retired((p) => p.oldestSigned), ...verifies },
  { name: 'T forgotten', rules: retired(() => LIFE), ...verifies },
  { name: 'S forgotten', rules: retired(() => UNIT), ...verifies },
  { name: 'e forgotten in R + T + S + e', rules: retired((p) => p.clockError), ...verifies },
  {
    name: 'a key that was not published for A + D + e',
    rules: seasoned((p) => ({ ...p, verifierCache: p.verifierCache - UNIT })),
    breaks: 'published',
    in: 'rotations',
  },
  {
    name: 'private halves destroyed with the activation',
    rules: { destruction: () => 0 },
    breaks: 'privateHalf',
    in: 'rotations',
  },
  { name: 'seasoning not checked', rules: withoutLine('standby_unseasoned'), ...verifies },
  { name: 'the room for ten not checked', rules: withoutLine('ring_full'), breaks: 'tenKeys', in: 'crowded' },
  { name: 'holds not checked', rules: withoutLine('ring_held'), breaks: 'held', in: 'holds' },
  { name: 'accept_outage not asked for', rules: { asksForOutage: false }, breaks: 'verifies', in: 'revocations' },
  {
    name: 'every key as if born with its ring',
    rules: {
      seasonedAt: (key) => key.publishedAt,
      obstacle: (locked) =>
        obstacle({
          ...locked,
          ring: { ...locked.ring, keys: locked.ring.keys.map((key) => ({ ...key, bornWithRing: true })) },
        }) !== undefined,
    },
    ...verifies,
  },
  { name: 'views signed by at any age', rules: { maySign: () => true }, breaks: 'verifies', in: 'clocks' },
  {
    name: 'views signed by at age R',
    rules: { maySign: (age, policy) => age <= policy.oldestSigned },
    breaks: 'verifies',
    in: 'clocks',
  },
  {
    name: 'a revoked key, and a view of age R',
    rules: { maySign: (age, policy) => age <= policy.oldestSigned },
    breaks: 'revoked',
    in: 'revocations',
  },
  { name: 'views served at any age', rules: { mayServe: () => true }, ...verifies },
  { name: 'views served at age D', rules: { mayServe: (age, policy) => age <= policy.oldestServed }, ...verifies },
  {
    name: 'a commit that comes later than e after its row',
    rules: { commitChecked: false },
    ...{ breaks: 'verifies', in: 'late' },
  },
  { name: 'clocks not checked', rules: { clockChecked: false }, ...verifies },
  {
    name: 'the age of a view counted from the answer',
    rules: { viewAge: 'answer' },
    breaks: 'verifies',
    in: 'slowReads',
  },
  { name: 'an activation updated, not inserted', rules: { activations: 'updated' }, ...verifies },
  { name: 'the lock of the ring not taken', rules: { ringLock: false }, breaks: 'oneActive', in: 'revocations' },
  {
    name: 'a revocation in statements of their own',
    rules: { transaction: false },
    breaks: 'oneActive',
    in: 'revocations',
  },
  {
    name: 'a lowered policy reckoned with at once',
    rules: { effectivePolicy: PRODUCT.obeyedPolicy },
    breaks: 'verifies',
    in: 'lowered',
  },
  {
    name: 'a lowered D reckoned with after D, without the caches that were filled until then',
    rules: { effectivePolicy: (versions, now) => bent(versions, now, (old) => old.oldestServed) },
    ...{ breaks: 'verifies', in: 'lowered' },
  },
  {
    name: 'a lowered A reckoned with at once',
    rules: { effectivePolicy: PRODUCT.obeyedPolicy },
    breaks: 'verifies',
    in: 'loweredCache',
  },
  {
    name: 'a lowered e reckoned with at once',
    rules: { effectivePolicy: PRODUCT.obeyedPolicy },
    breaks: 'verifies',
    in: 'loweredError',
  },
  { name: 'policies read after the rings', rules: { policies: 'after' }, breaks: 'verifies', in: 'raisedSigned' },
  { name: 'a policy changed beside a rotation', rules: { policyLock: false }, breaks: 'verifies', in: 'raisedSigned' },
];

/** The newest policy, and the D of the one before for so long. */
function bent(
  versions: Parameters<Rules['effectivePolicy']>[0],
  now: number,
  until: (old: KeyPolicy) => number,
): KeyPolicy {
  const newest = PRODUCT.obeyedPolicy(versions);
  const [old, successor] = versions;
  if (!old || !successor || now >= successor.since + until(old.policy)) return newest;
  return { ...newest, oldestServed: Math.max(newest.oldestServed, old.policy.oldestServed) };
}

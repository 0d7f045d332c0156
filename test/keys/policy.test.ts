// The arithmetic of the key policy, and what a lowered D or R means.
import t from 'tap';
import {
  DEFAULT_POLICY,
  destruction,
  effectivePolicy,
  LOOPBACK_POLICY,
  maxAgeSeconds,
  MAX_KEYS,
  obeyedPolicy,
  retirement,
  seasoning,
  unsoundLines,
} from '../../src/keys/policy.ts';

t.test('the two seeds are sound', async (t) => {
  t.same(unsoundLines(DEFAULT_POLICY), []);
  t.same(unsoundLines(LOOPBACK_POLICY), []);
  t.equal(seasoning(DEFAULT_POLICY), (24 * 3600 + 72 * 3600 + 2) * 1000);
  t.equal(seasoning(LOOPBACK_POLICY), 11_000);
  t.equal(destruction(DEFAULT_POLICY), (60 + 2 + 15 * 60) * 1000);
  t.equal(retirement(LOOPBACK_POLICY, 'workload_token'), (5 + 900 + 300 + 1) * 1000);
  t.equal(2 + Math.ceil(retirement(LOOPBACK_POLICY, 'workload_token') / LOOPBACK_POLICY.period), 9);
  t.ok(9 <= MAX_KEYS);
  t.equal(maxAgeSeconds(DEFAULT_POLICY), 300);
  t.equal(maxAgeSeconds(LOOPBACK_POLICY), 5);
});

t.test('a policy one unit off is refused, with the arithmetic', async (t) => {
  const tight = { ...DEFAULT_POLICY, period: seasoning(DEFAULT_POLICY) };
  t.match(unsoundLines(tight), [
    /the period must be above A \+ D \+ e: 345602 s is not above 86400 s \+ 259200 s \+ 2 s = 345602 s/,
  ]);
  t.same(unsoundLines({ ...tight, period: tight.period + 1 }), []);
  const crowded = { ...LOOPBACK_POLICY, period: 1_206_000 / 8 - 1000 };
  t.match(unsoundLines(crowded), [/at most 10 keys: for a workload_token/]);
  t.same(unsoundLines({ ...LOOPBACK_POLICY, period: 1_206_000 / 8 }), []);
  t.match(unsoundLines({ ...DEFAULT_POLICY, clockError: 500 }), [/e must be at least 1 s/]);
  t.match(unsoundLines({ ...DEFAULT_POLICY, oldestSigned: -1 }), [/oldestSigned must be a positive/]);
});

t.test('a lowered value counts only when nobody goes by the old one any more', async (t) => {
  const old = { version: 1, since: 0, policy: DEFAULT_POLICY };
  const since = 1_000_000;
  const lower = { verifierCache: 60_000, oldestServed: 3_600_000, oldestSigned: 10_000, clockError: 1_000 };
  const lowered = { version: 2, since, policy: { ...DEFAULT_POLICY, ...lower } };
  const at = (now: number) => effectivePolicy([old, lowered], now);
  // A cut-off origin serves by the old D, and what was fetched from it is used for the old A.
  t.same(at(since + seasoning(DEFAULT_POLICY) - 1), DEFAULT_POLICY);
  t.same(at(since + seasoning(DEFAULT_POLICY)), lowered.policy);
  t.same(obeyedPolicy([lowered, old]), lowered.policy, 'replicas go by it as soon as they know it, or that never ends');
  // A peer signs by the old R where that is the longest.
  const patient = { ...LOOPBACK_POLICY, oldestSigned: 60_000 };
  const hurried = [
    { version: 1, since: 0, policy: patient },
    { version: 2, since, policy: LOOPBACK_POLICY },
  ];
  t.same(effectivePolicy(hurried, since + 60_999).oldestSigned, 60_000);
  t.same(effectivePolicy(hurried, since + 61_000).oldestSigned, 5_000);
  const raised = { version: 2, since, policy: { ...DEFAULT_POLICY, oldestServed: 2 * DEFAULT_POLICY.oldestServed } };
  t.equal(
    effectivePolicy([old, raised], since + 1).oldestServed,
    2 * DEFAULT_POLICY.oldestServed,
    'a raised one counts at once',
  );
});

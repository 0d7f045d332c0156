// The arithmetic of the key policy, and what a lowered D or R means.
import t from 'tap';
import {
  DEFAULT_POLICY,
  destruction,
  effectivePolicy,
  LOOPBACK_POLICY,
  maxAgeSeconds,
  MAX_KEYS,
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

t.test('a lowered D or R counts only once the old value has passed', async (t) => {
  const old = { version: 1, since: 0, policy: DEFAULT_POLICY };
  const lowered = {
    version: 2,
    since: 1_000_000,
    policy: { ...DEFAULT_POLICY, oldestServed: 3_600_000, oldestSigned: 10_000 },
  };
  const at = (now: number) => effectivePolicy([old, lowered], now);
  t.equal(at(1_000_000 + DEFAULT_POLICY.oldestSigned - 1).oldestSigned, 60_000);
  t.equal(at(1_000_000 + DEFAULT_POLICY.oldestSigned).oldestSigned, 10_000);
  t.equal(at(1_000_000 + DEFAULT_POLICY.oldestServed - 1).oldestServed, DEFAULT_POLICY.oldestServed);
  t.equal(at(1_000_000 + DEFAULT_POLICY.oldestServed).oldestServed, 3_600_000);
  const raised = {
    version: 2,
    since: 1_000_000,
    policy: { ...DEFAULT_POLICY, oldestServed: 2 * DEFAULT_POLICY.oldestServed },
  };
  t.equal(
    effectivePolicy([old, raised], 1_000_001).oldestServed,
    2 * DEFAULT_POLICY.oldestServed,
    'a raised one counts at once',
  );
});

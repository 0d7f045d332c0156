// The arithmetic of the key policy, and what a lowered D or R means.
import fc from 'fast-check';
import t from 'tap';
import {
  DEFAULT_POLICY,
  destruction,
  effectivePolicy,
  type KeyPolicy,
  LEEWAY,
  LONGEST_LIFE,
  LOOPBACK_POLICY,
  maxAgeSeconds,
  MAX_KEYS,
  obeyedPolicy,
  type PolicyVersion,
  retirement,
  seasoning,
  settledAt,
  unsoundChange,
  unsoundLines,
} from '../../src/keys/policy.ts';

const DAY = 86_400_000;

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

t.test('D below R is refused: nobody signs with a view that is too old to be served', async (t) => {
  t.match(unsoundLines({ ...DEFAULT_POLICY, oldestServed: 59_000 }), [/D must be at least R: .* 59 s is below 60 s/]);
  t.same(unsoundLines({ ...DEFAULT_POLICY, oldestServed: 60_000 }), []);
});

t.test(
  'a policy is refused beside what still counts of the one before, with the time from which it may be',
  async (t) => {
    const old = { version: 1, since: 0, policy: { ...DEFAULT_POLICY, oldestServed: 10 * DAY } };
    const next = { version: 2, since: DAY, policy: { ...DEFAULT_POLICY, period: 10 * DAY } };
    const { lines, from } = unsoundChange([old], next);
    t.match(lines, [/while values of before still count, the period must be above A \+ D \+ e: 864000 s is not above/]);
    t.equal(from, DAY + seasoning(old.policy));
    t.equal(settledAt([old, next]), from);
    t.equal(settledAt([old]), 0);
    t.same(unsoundChange([old], { ...next, policy: DEFAULT_POLICY }), { lines: [] });
    const settled = { version: 2, since: DAY, policy: DEFAULT_POLICY };
    t.same(unsoundChange([old, settled], { ...next, version: 3, since: from as number }), { lines: [] });
    t.match(unsoundChange([old], { ...next, policy: { ...DEFAULT_POLICY, period: DAY } }), {
      lines: [/^the period must be/],
      from: undefined,
    });
  },
);

/** Any few versions, some while apart, with times that overlap in every way. */
const histories = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 400 }),
      policy: fc.record({
        verifierCache: fc.integer({ min: 1, max: 100 }),
        oldestServed: fc.integer({ min: 1, max: 200 }),
        oldestSigned: fc.integer({ min: 1, max: 100 }),
        clockError: fc.constant(2),
        period: fc.constant(10_000),
      }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((changes) => {
    let since = 0;
    return changes.map(({ gap, policy }, index): PolicyVersion => {
      since += gap;
      return { version: index + 1, since, policy };
    });
  });

/** What a process knows whose view was taken then: a version is visible up to e after its time. */
const knownAt = (versions: readonly PolicyVersion[], at: number, e: number): KeyPolicy[] => {
  const seen = versions.filter(({ since }) => since <= at);
  const latest = seen.at(-1) ?? versions[0];
  const sure = versions.filter(({ since }) => since <= at - e).at(-1) ?? versions[0];
  return versions
    .filter(({ version }) => version >= (sure?.version ?? 1) && version <= (latest?.version ?? 1))
    .map(({ policy }) => policy);
};

t.test('whatever changes when: no cut-off replica and no cache outlasts a seasoning or a retirement', async (t) => {
  fc.assert(
    fc.property(histories, fc.integer({ min: 0, max: 1500 }), (versions, published) => {
      // The earliest time at which a key that was published then is seasoned, and may sign.
      let signs = published;
      while (signs < published + seasoning(effectivePolicy(versions, signs))) signs += 1;
      const removed = signs + retirement(effectivePolicy(versions, signs), 'web_identity_token');
      for (let view = Math.max(0, published - 700); view < signs; view += 1) {
        for (const { verifierCache, oldestServed, oldestSigned } of knownAt(versions, view, 2)) {
          // A replica with this view serves it for D, and a verifier keeps what it got for A.
          if (view < published && view + oldestServed + verifierCache > signs) return false;
          // A peer with this view signs for R, and what it signs lives for T and S.
          if (view + oldestSigned + LONGEST_LIFE.web_identity_token + LEEWAY > removed) return false;
        }
      }
      return true;
    }),
    { numRuns: 300, seed: 4 },
  );
  t.pass('300 histories');
});

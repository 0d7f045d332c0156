// What the looks at a key say, and when the next one is due: pure functions.
import t from 'tap';
import {
  BETWEEN_LOOKS,
  type Canary,
  nextLookAt,
  PROOF_KEPT,
  REFUSALS,
  revocationStanding,
  standbyProof,
} from '../../src/keys/canaries.ts';
import { DEFAULT_POLICY, LOOPBACK_POLICY, maxAgeSeconds, seasoning } from '../../src/keys/policy.ts';

const looks = (text: string): Canary[] =>
  [...text].map((letter, index) => ({
    ...{ id: `${index}`, kid: 'k', at: index * 1000, about: 'standby' },
    outcome: ({ a: 'accepted', r: 'refused', u: 'unclear' } as const)[letter as 'a'],
  }));

t.test('a standby: taken, refused so often in a row, or nothing is known', async (t) => {
  t.match(standbyProof([], 0), { state: 'open', refusals: 0 });
  t.match(standbyProof(looks('u'), 0), { state: 'open', refusals: 0 });
  t.match(standbyProof(looks('a'), PROOF_KEPT - 1), { state: 'proved' });
  t.match(standbyProof(looks('a'), PROOF_KEPT), { state: 'open' });
  t.match(standbyProof(looks('au'), PROOF_KEPT - 1), { state: 'proved' }, 'what is unclear takes nothing back');
  t.match(standbyProof(looks('rra'), 5000), { state: 'proved', refusals: 0 });
  t.match(standbyProof(looks('arur'), 4000), { state: 'waiting', refusals: 2, until: 3000 + BETWEEN_LOOKS });
  t.match(standbyProof(looks('ar'), 1000 + BETWEEN_LOOKS), { state: 'open', refusals: 1 });
});

t.test('a revocation: so many refusals in a row prove it, and the times are those of the last turn', async (t) => {
  t.match(revocationStanding([]), { looks: 0, refusals: 0, proved: false, lastAcceptedAt: undefined });
  t.match(revocationStanding(looks('aa')), { lastAcceptedAt: 1000, firstRefusedAt: undefined, proved: false });
  const turned = `aar${'a'}${'r'.repeat(REFUSALS - 1)}`;
  t.match(revocationStanding(looks(turned)), { proved: false, lastAcceptedAt: 3000, firstRefusedAt: 4000 });
  t.match(revocationStanding(looks(`${turned}ur`)), { proved: true, refusals: REFUSALS, firstRefusedAt: 4000 });
  t.match(revocationStanding(looks('r'.repeat(REFUSALS))), {
    proved: true,
    lastAcceptedAt: undefined,
    firstRefusedAt: 0,
  });
});

t.test(
  'looks are apart by a quarter of the time that passed, an hour at most: few in all, to the very end',
  async (t) => {
    for (const policy of [DEFAULT_POLICY, LOOPBACK_POLICY]) {
      let [now, count] = [0, 0];
      const gaps: number[] = [];
      while (now < seasoning(policy)) {
        const next = nextLookAt(policy, { startedAt: 0, now, refusals: 0 });
        gaps.push(next - now);
        [now, count] = [next, count + 1];
      }
      t.ok(count < 150, `${count} looks`);
      t.ok(gaps.every((gap) => gap >= 1000 && gap <= 3_600_000));
      t.same(
        gaps,
        [...gaps].sort((a, b) => a - b),
        'ever further apart',
      );
    }
  },
);

t.test('the refusals that prove a revocation span one max-age of the JWKS', async (t) => {
  for (const policy of [DEFAULT_POLICY, LOOPBACK_POLICY]) {
    const gap = nextLookAt(policy, { startedAt: 0, now: 86_400_000, refusals: 1 }) - 86_400_000;
    t.ok(gap * (REFUSALS - 1) >= maxAgeSeconds(policy) * 1000);
    t.ok(gap * (REFUSALS - 1) <= maxAgeSeconds(policy) * 1000 + 1000);
  }
});

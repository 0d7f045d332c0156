// Every state and everything that may happen to it, line by line.
import t from 'tap';
import { type Happening, isPolled, nextState, STATES } from '../../src/connections/lifecycle.ts';

const HAPPENINGS: Happening[] = [
  'verification_requested',
  'verified',
  'role_recreated',
  'probe_failed',
  'verification_expired',
  'paused',
  'resumed',
  'disconnected',
];

// A line a state, a column a happening, in the order above; - may not happen.
const TABLE = `
  pending       verifying  -       -         -         -        -       -          disconnected
  verifying     verifying  active  degraded  -         pending  paused  -          disconnected
  active        active     active  degraded  degraded  active   paused  active     disconnected
  degraded      degraded   active  degraded  degraded  degraded paused  degraded   disconnected
  unsafe        -          -       -         -         -        paused  -          disconnected
  paused        -          -       -         -         -        paused  verifying  disconnected
  disconnected  -          -       -         -         -        -       -          disconnected`;

t.test('the table', async (t) => {
  const lines = TABLE.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  t.same(
    lines.map(([state]) => state),
    [...STATES],
  );
  for (const [state, ...cells] of lines) {
    HAPPENINGS.forEach((happening, at) => {
      t.equal(
        nextState(state as (typeof STATES)[number], happening, true) ?? '-',
        cells[at],
        `${state} when ${happening}`,
      );
    });
  }
});

t.test('what STS never let in has nothing to pause', async (t) => {
  t.equal(nextState('verifying', 'paused', false), undefined);
});

t.test('an answer of STS means something in three states', async (t) => {
  t.same(STATES.filter(isPolled), ['verifying', 'active', 'degraded']);
});

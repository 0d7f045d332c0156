// What an answer of STS means for a connection, and when it is asked again.
import t from 'tap';
import { type Judged, judge, type Outcome, type Standing } from '../../src/connections/verification/judge.ts';
import { nextDelay } from '../../src/connections/verification/schedule.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const standing = (more: Partial<Standing> = {}): Standing => ({
  state: 'verifying',
  reason: '',
  roleId: null,
  elapsedMs: 10 * SECOND,
  ...more,
});
const failed = (side: 'ours' | 'account_owner' | 'transient' | 'throttled' = 'account_owner'): Outcome => ({
  ok: false,
  side,
  code: 'AccessDenied',
  detail: 'x',
});
const ok = (roleId = 'AROAONE'): Outcome => ({ ok: true, roleId });

t.test('the schedule: 5 s at first, slower later, for seven days', async (t) => {
  const table: [number, number | undefined][] = [
    ...([
      [0, 5],
      [9 * MINUTE, 5],
      [10 * MINUTE, 30],
      [119 * MINUTE, 30],
      [120 * MINUTE, 300],
      [7 * DAY - 1, 300],
    ] as [number, number][]),
    ...([
      [7 * DAY, undefined],
      [8 * DAY, undefined],
    ] as [number, undefined][]),
  ];
  for (const [elapsed, seconds] of table)
    t.equal(nextDelay(elapsed, 'account_owner'), seconds && seconds * SECOND, `${elapsed} ms`);
  t.equal(nextDelay(0, 'throttled'), 30 * SECOND);
  t.equal(nextDelay(3 * 60 * MINUTE, 'throttled'), 5 * MINUTE);
  t.equal(nextDelay(7 * DAY, 'throttled'), undefined);
  let [elapsed, attempts] = [0, 0];
  for (;;) {
    const delay = nextDelay(elapsed, 'account_owner');
    if (delay === undefined) break;
    elapsed += delay;
    attempts += 1;
  }
  t.ok(attempts < 2400, `${attempts} attempts for a stack that never comes`);
});

t.test('the first success pins the role and ends the polling', async (t) => {
  t.same(judge(standing(), ok()), {
    happening: 'verified',
    state: 'active',
    reason: '',
    pin: 'AROAONE',
  } satisfies Judged);
  t.same(judge(standing({ reason: 'resumed', roleId: 'AROAONE' }), ok()), {
    happening: 'verified',
    state: 'active',
    reason: '',
    pin: 'AROAONE',
  });
});

t.test('another role of the same name is degraded, from wherever it is seen', async (t) => {
  for (const state of ['verifying', 'active', 'degraded'] as const) {
    t.same(
      judge(standing({ state, roleId: 'AROAOTHER' }), ok()),
      { happening: 'role_recreated', state: 'degraded', reason: 'role_recreated' },
      state,
    );
  }
  const back = judge(standing({ state: 'degraded', reason: 'role_recreated', roleId: 'AROAONE' }), ok());
  t.match(back, { state: 'active', reason: '' }, 'the pinned one is the right one again');
});

t.test('a failure while verifying is patience, then pending with a reason', async (t) => {
  for (const side of ['ours', 'account_owner', 'transient'] as const)
    t.same(judge(standing(), failed(side)), { state: 'verifying', reason: '', delay: 5000 });
  t.same(judge(standing({ elapsedMs: 7 * DAY }), failed()), {
    happening: 'verification_expired',
    state: 'pending',
    reason: 'verification_expired',
  });
});

t.test("an active connection is degraded by its owner's refusal alone, and not in the first minute", async (t) => {
  const active = (elapsedMs: number) => standing({ state: 'active', roleId: 'AROAONE', elapsedMs });
  t.match(judge(active(59 * SECOND), failed()), { state: 'active', delay: 5000 });
  t.same(judge(active(60 * SECOND), failed()), {
    happening: 'probe_failed',
    state: 'degraded',
    reason: 'AccessDenied',
    delay: 5000,
  });
  for (const side of ['ours', 'transient', 'throttled'] as const)
    t.match(judge(active(60 * MINUTE), failed(side)), { state: 'active', reason: '' }, side);
  const degraded = standing({ state: 'degraded', reason: 'AccessDenied', roleId: 'AROAONE', elapsedMs: 5 * MINUTE });
  t.same(judge(degraded, failed()), { state: 'degraded', reason: 'AccessDenied', delay: 5000 }, 'told once');
  t.match(judge(degraded, ok()), { happening: 'verified', state: 'active', reason: '' }, 'and well again by itself');
  t.same(judge({ ...degraded, elapsedMs: 7 * DAY }, failed()), {
    happening: 'verification_expired',
    state: 'degraded',
    reason: 'AccessDenied',
  });
});

t.test('an answer that comes after a pause or the end changes nothing', async (t) => {
  for (const state of ['pending', 'paused', 'unsafe', 'disconnected'] as const) {
    t.same(judge(standing({ state, reason: 'r' }), ok()), { state, reason: 'r' }, state);
    t.same(judge(standing({ state, reason: 'r' }), failed()), { state, reason: 'r' }, state);
  }
});

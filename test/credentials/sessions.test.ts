// Sessions in memory: how long each is handed out, when its successor is fetched, and what happens when it does not come.
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { EpochChanged } from '../../src/audit/stream.ts';
import { StsError } from '../../src/clouds/aws-errors.ts';
import { floorMs } from '../../src/credentials/freshness.ts';
import { createSessions, type Obtained, type SessionsOptions } from '../../src/credentials/sessions.ts';
import { Problem, unavailable } from '../../src/errors.ts';
import type { Decision } from '../../src/grants/decide.ts';
import { authorizedFor, createSteppedClock, decisionOf, id, MINUTE, obtainedOf } from './world.ts';

function openSessions(options: Partial<SessionsOptions> = {}) {
  const clock = createSteppedClock();
  const sessions = createSessions({ clock, patienceMs: 5, ...options });
  let fetched = 0;
  /** What the next fetches do, by their number from 1; each succeeds unless told otherwise. */
  const world = {
    ...{ clock, sessions },
    fetched: () => fetched,
    next: (): Promise<unknown> => Promise.resolve(),
    obtain: async (key = 'k', seconds = 3600, decision = decisionOf()): Promise<string> => {
      const obtained = await sessions.obtain(authorizedFor(key, seconds, decision), async (): Promise<Obtained> => {
        fetched += 1;
        const exchange = `ex${fetched}`;
        await world.next();
        return obtainedOf(exchange, seconds, clock);
      });
      return obtained.exchange;
    },
  };
  return world;
}

const refusal = (side: StsError['side'], awsCode: string) => new StsError({ side, awsCode, awsMessage: 'no' });
const down = refusal('transient', 'Unreachable');
const failing = (error: Error) => () => Promise.reject(error);

t.test('what must remain of a session: min(0.9 d, max(d / 3, 16 minutes))', async (t) => {
  const floors = [900, 1200, 1800, 3600, 7200, 43_200].map((seconds) => floorMs(seconds) / MINUTE);
  t.same(floors, [13.5, 16, 16, 20, 40, 240]);
});

t.test('handed out until too little remains, fetched anew then', async (t) => {
  for (const seconds of [900, 1800, 3600, 43_200]) {
    const { clock, obtain, sessions } = openSessions();
    t.equal(await obtain('k', seconds), 'ex1');
    clock.step(seconds * 1000 - floorMs(seconds));
    t.equal(await obtain('k', seconds), 'ex1', `the last moment of ${seconds} s`);
    await sessions.settled();
    clock.step(seconds * 1000 - floorMs(seconds) + 1);
    t.equal(await obtain('k', seconds), seconds <= 1800 ? 'ex2' : 'ex3', 'and a new one');
  }
});

t.test('past half of its life its successor is fetched beside a hand-out, and never by itself', async (t) => {
  const { clock, obtain, sessions, fetched } = openSessions();
  await obtain();
  clock.step(31 * MINUTE);
  sessions.sweep({ epoch: 1, seal: undefined, sealChangedAt: undefined });
  t.equal(fetched(), 1, 'nobody asked');
  t.equal(await obtain(), 'ex1', 'the one at hand, at once');
  await sessions.settled();
  t.equal(fetched(), 2);
  t.equal(await obtain(), 'ex2', 'its successor for the next');
});

t.test('a thousand who ask at once are one fetch, and nobody who leaves ends it', async (t) => {
  const world = openSessions();
  let answer = (): void => {};
  world.next = () => new Promise<void>((resolve) => (answer = resolve));
  const all = Array.from({ length: 1000 }, () => world.obtain());
  const left = Promise.race([world.obtain(), Promise.resolve('gone')]);
  t.equal(await left, 'gone');
  answer();
  t.same([...new Set(await Promise.all(all))], ['ex1']);
  t.equal(world.fetched(), 1);
});

t.test('another key is another session, whatever else is the same', async (t) => {
  const { obtain } = openSessions();
  t.same([await obtain('one'), await obtain('two'), await obtain('one')], ['ex1', 'ex2', 'ex1']);
});

t.test('STS down: a session that lives is handed out to its last minute, and no longer', async (t) => {
  const ours = refusal('ours', 'ExpiredToken');
  for (const error of [down, refusal('throttled', 'Throttling'), unavailable('busy'), ours]) {
    const world = openSessions();
    await world.obtain();
    world.next = failing(error);
    world.clock.step(35 * MINUTE);
    t.equal(await world.obtain(), 'ex1', 'past half');
    await world.sessions.settled();
    world.clock.step(20 * MINUTE);
    t.equal(await world.obtain(), 'ex1', 'near its end');
    world.clock.step(4 * MINUTE + 1);
    await t.rejects(world.obtain(), error, 'in its last minute');
  }
});

t.test('STS slow: who holds a session that lives does not wait for its successor', async (t) => {
  const world = openSessions();
  await world.obtain();
  let answer = (): void => {};
  world.next = () => new Promise<void>((resolve) => (answer = resolve));
  world.clock.step(45 * MINUTE);
  t.equal(await world.obtain(), 'ex1');
  answer();
  await world.sessions.settled();
  t.equal(await world.obtain(), 'ex2');
});

t.test('a successor that did not come is not asked for again for ten seconds', async (t) => {
  const world = openSessions();
  await world.obtain();
  world.next = failing(down);
  world.clock.step(31 * MINUTE);
  for (let ask = 0; ask < 3; ask += 1) {
    await world.obtain();
    await world.sessions.settled();
  }
  t.equal(world.fetched(), 2);
  world.clock.step(9999);
  await world.obtain();
  t.equal(world.fetched(), 2, 'nor in the last moment of them');
  world.clock.step(1);
  await world.obtain();
  t.equal(world.fetched(), 3);
});

t.test('a refusal for good is remembered for ten seconds, one that passes is not', async (t) => {
  const settling = decisionOf({ connection: { settled: false } });
  const answerRefused = new Problem('sts_answer_refused', 'not ours');
  for (const [error, decision, remembered] of [
    [refusal('account_owner', 'AccessDenied'), decisionOf(), true],
    [refusal('ours', 'PackedPolicyTooLarge'), decisionOf(), true],
    [answerRefused, decisionOf(), true],
    [refusal('account_owner', 'AccessDenied'), settling, false],
    [refusal('account_owner', 'RegionDisabled'), settling, true],
    [down, decisionOf(), false],
    [refusal('throttled', 'Throttling'), decisionOf(), false],
    [new Problem('workload_suspended', 'meanwhile'), decisionOf(), false],
    [new EpochChanged(), decisionOf(), false],
  ] as const) {
    const world = openSessions();
    world.next = failing(error);
    await t.rejects(world.obtain('k', 3600, decision), error);
    world.clock.step(9999);
    await t.rejects(world.obtain('k', 3600, decision), error);
    t.equal(world.fetched(), remembered ? 1 : 2, error.message || error.name);
    await t.rejects(world.obtain('another', 3600, decision), error, 'for this key alone');
    const before = world.fetched();
    world.clock.step(1);
    world.next = async () => {};
    t.ok(await world.obtain('k', 3600, decision));
    t.equal(world.fetched(), before + 1);
  }
});

t.test('a refusal that is over does not lie in memory', async (t) => {
  const world = openSessions();
  world.next = failing(refusal('account_owner', 'AccessDenied'));
  await t.rejects(world.obtain('one'));
  world.clock.step(1);
  await t.rejects(world.obtain('two'));
  world.clock.step(9999);
  world.sessions.sweep();
  t.equal(world.sessions.refused, 1, 'the one that is over');
  await t.rejects(world.obtain('two'));
  t.equal(world.fetched(), 2, 'and the other is said again');
  world.clock.step(1);
  world.sessions.sweep();
  t.equal(world.sessions.refused, 0);
});

t.test("the account owner's no ends what was fetched before", async (t) => {
  const world = openSessions();
  await world.obtain();
  world.next = failing(refusal('account_owner', 'AccessDenied'));
  world.clock.step(31 * MINUTE);
  t.equal(await world.obtain(), 'ex1', 'asked beside');
  await world.sessions.settled();
  await t.rejects(world.obtain(), new StsError({ side: 'account_owner', awsCode: 'AccessDenied', awsMessage: 'no' }));
});

t.test('neither clock makes a session live longer', async (t) => {
  const clock = createSteppedClock();
  const bent = { wall: clock.wall, monotonic: clock.monotonic };
  const sessions = createSessions({ clock: { wall: () => bent.wall(), monotonic: () => bent.monotonic() } });
  let fetched = 0;
  const obtain = () => sessions.obtain(authorizedFor('k'), async () => obtainedOf(`ex${(fetched += 1)}`, 3600, clock));
  await obtain();
  const wall = clock.wall();
  clock.step(41 * MINUTE);
  bent.wall = () => wall;
  t.equal((await obtain()).exchange, 'ex2', 'a wall clock that was set back');
});

t.test('what nobody may have is forgotten', async (t) => {
  const { clock, obtain, sessions } = openSessions();
  await obtain('one');
  await obtain('two');
  sessions.sweep({ epoch: 2, seal: undefined, sealChangedAt: undefined });
  t.equal(sessions.size, 2, 'a change a moment ago');
  clock.step(5 * MINUTE + 1);
  await obtain('one', 3600, decisionOf({ epoch: 2 }));
  sessions.sweep({ epoch: 2, seal: undefined, sealChangedAt: undefined });
  t.equal(sessions.size, 1, 'nobody was authorised for it since');
  clock.step(54 * MINUTE);
  sessions.sweep();
  t.equal(sessions.size, 0, 'over');
  await obtain('one');
  sessions.sweep({ epoch: 2, seal: { at: '', by: 'host', reason: '' }, sealChangedAt: undefined });
  t.equal(sessions.size, 0, 'sealed');
  await obtain('one');
  sessions.sweep({ epoch: 2, seal: undefined, sealChangedAt: 'since' });
  t.equal(sessions.size, 0, 'sealed and unsealed, unseen');
  await obtain('one');
  sessions.sweep({ epoch: 2, seal: undefined, sealChangedAt: 'since' });
  t.equal(sessions.size, 1, 'nothing since');
});

t.test('a flood of one connection is refused with its time, and starves no other', async (t) => {
  const { obtain } = openSessions({ perConnection: 2 });
  const asked = Array.from({ length: 50 }, (_, index) =>
    obtain(`flood ${index}`, 3600, decisionOf({ workload: { id: `wl_${index}` } })),
  );
  const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 42, 'but four seconds worth');
  const message = 'More than 2 new sessions a second are asked for of this connection.';
  t.match(refused[0], { reason: { code: 'rate_limited', message, options: { retryAfter: 1 } } });
  t.ok(await obtain('another', 3600, decisionOf({ connection: { id: id('cn', 'b') } })));
});

t.test('a flood of one workload leaves the others of its connection served', async (t) => {
  const { obtain } = openSessions({ perConnection: 5 });
  const flood = await Promise.allSettled(Array.from({ length: 500 }, (_, index) => obtain(`flood ${index}`)));
  const refused = flood.filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 492, 'but four seconds of a quarter, rounded up');
  const message = 'More than 2 new sessions a second are asked for of this connection by this workload.';
  t.match(refused[0], { reason: { code: 'rate_limited', message, options: { retryAfter: 1 } } });
  const other = decisionOf({ workload: { id: id('wl', 'b') } });
  for (let n = 1; n <= 8; n += 1) t.ok(await obtain(`other ${n}`, 3600, other));
  t.ok(await obtain('elsewhere', 3600, decisionOf({ connection: { id: id('cn', 'b') } })), 'nor elsewhere itself');
});

t.test('who asks for something new each time pushes out its own sessions, the longest unused first', async (t) => {
  const { obtain, sessions } = openSessions({ perConnection: 100_000 });
  const other = decisionOf({ workload: { id: id('wl', 'b') } });
  const elsewhere = decisionOf({ connection: { id: id('cn', 'b') } });
  const shared = [await obtain('shared', 3600, other), await obtain('elsewhere', 3600, elsewhere)];
  const first = await obtain('first');
  const steady = await obtain('steady');
  for (let n = 1; n <= 20_001; n += 1) {
    await obtain(`narrowed ${n}`);
    if (n % 100 === 0) await obtain('steady');
  }
  t.equal(sessions.size, 202, 'two hundred of its own');
  t.same([await obtain('shared', 3600, other), await obtain('elsewhere', 3600, elsewhere)], shared, 'of nobody else');
  t.equal(await obtain('steady'), steady, 'what it uses is kept');
  t.not(await obtain('first'), first);
  sessions.clear();
  t.equal(sessions.size, 0);
  t.not(await obtain('steady'), steady);
});

t.test('who asks for sessions of very many connections pushes out its own, and nobody else', async (t) => {
  const { obtain, sessions } = openSessions({ perConnection: 100_000 });
  const other = decisionOf({ workload: { id: id('wl', 'b') } });
  const theirs = await obtain('theirs', 3600, other);
  for (let cn = 0; cn < 101; cn += 1) {
    const decision = decisionOf({ connection: { id: `cn_${cn}` } });
    for (let n = 0; n < 200; n += 1) await obtain(`${cn} ${n}`, 3600, decision);
  }
  t.equal(sessions.size, 20_000, 'all that there is room for');
  t.equal(await obtain('theirs', 3600, other), theirs, 'what another did not use meanwhile');
});

t.test('connections take turns, and one has a share alone', async (t) => {
  const world = openSessions({ perConnection: 1000, total: 4, each: 3, waiting: 20 });
  const answers: (() => void)[] = [];
  world.next = () => new Promise<void>((resolve) => answers.push(resolve));
  const other = decisionOf({ connection: { id: id('cn', 'b') }, aws: { region: 'eu-west-1' } });
  const order: string[] = [];
  const ask = (key: string, decision = decisionOf()) =>
    world.obtain(key, 3600, decision).then(
      () => void order.push(key),
      (error: Problem) => void order.push(error.code),
    );
  const asked = [...Array.from({ length: 15 }, (_, index) => ask(`a${index}`)), ask('b0', other), ask('b1', other)];
  await turn();
  t.equal(world.fetched(), 4, 'three of the first, one of the second');
  const late = Array.from({ length: 10 }, (_, index) => ask(`late ${index}`));
  await turn();
  t.ok(order.includes('unavailable'), 'and no more than so many wait');
  while (answers.length > 0) {
    answers.shift()?.();
    await turn();
  }
  await Promise.all([...asked, ...late]);
  const served = order.filter((key) => key !== 'unavailable');
  t.ok(served.indexOf('b1') < served.indexOf('a7'), `not behind everybody of the flood: ${served.join(' ')}`);
});

/** What is served in which order, where twelve of one flood (a…) were there before two of another (b…), and two are under way at once. */
async function serveBehindFlood(other: Decision): Promise<string[]> {
  const world = openSessions({ perConnection: 1000, total: 2, each: 2 });
  const answers: (() => void)[] = [];
  world.next = () => new Promise<void>((resolve) => answers.push(resolve));
  const order: string[] = [];
  const ask = (key: string, decision = decisionOf()) =>
    world.obtain(key, 3600, decision).then(() => void order.push(key));
  const asked = [...Array.from({ length: 12 }, (_, index) => ask(`a${index}`)), ask('b0', other), ask('b1', other)];
  await turn();
  while (answers.length > 0) {
    answers.shift()?.();
    await turn();
  }
  await Promise.all(asked);
  return order;
}

t.test('a connection that waits is not behind all of a flood', async (t) => {
  const order = await serveBehindFlood(decisionOf({ connection: { id: id('cn', 'b') } }));
  t.ok(order.includes('b1') && order.indexOf('b1') < 8, order.join(' '));
});

t.test('a workload that waits is not behind all of the flood of another in the same connection', async (t) => {
  const order = await serveBehindFlood(decisionOf({ workload: { id: id('wl', 'b') } }));
  t.ok(order.includes('b1') && order.indexOf('b1') < 8, order.join(' '));
});

t.test('a region that hangs leaves room for the others, however many connections are of it', async (t) => {
  const world = openSessions({ total: 6, each: 6, waiting: 6 });
  const of = (letter: string, region: string) => decisionOf({ connection: { id: id('cn', letter) }, aws: { region } });
  let answer = (): void => {};
  const hangs = new Promise<void>((resolve) => (answer = resolve));
  world.next = () => hangs;
  const hung = [...'abcdefghij'].map((letter) =>
    world.obtain(letter, 3600, of(letter, 'us-east-1')).catch((error: Problem) => error.code),
  );
  await turn();
  t.equal(world.fetched(), 4, 'two thirds of the room');
  t.same(await Promise.all(hung.slice(8)), ['unavailable', 'unavailable'], 'and of the room to wait in');
  world.next = async () => {};
  t.ok(await world.obtain('other', 3600, of('k', 'eu-west-1')), 'another region goes on at once');
  const answers: (() => void)[] = [];
  world.next = () => new Promise<void>((resolve) => answers.push(resolve));
  const busy = ['l', 'm'].map((letter) => world.obtain(letter, 3600, of(letter, 'eu-west-1')));
  const third = world.obtain('n', 3600, of('n', 'eu-west-1'));
  await turn();
  world.next = async () => {};
  answers.shift()?.();
  t.ok(await third, 'and may wait for its turn');
  answers.shift()?.();
  answer();
  await Promise.all([...busy, ...hung]);
});

t.test('a turn that comes too late is not taken', async (t) => {
  const world = openSessions({ total: 1, each: 1 });
  let answer = (): void => {};
  world.next = () => new Promise<void>((resolve) => (answer = resolve));
  const first = world.obtain('one');
  const second = world.obtain('two');
  await turn();
  world.clock.step(5001);
  answer();
  t.equal(await first, 'ex1');
  await t.rejects(second, { code: 'unavailable', options: { retryAfter: 1 } });
  t.equal(world.fetched(), 1);
});

// Sessions that the agent keeps, by a stepped clock: single flight, half life, outages, refusals, bounds.
import t from 'tap';
import { Refusal } from '../../src/agent/refusal.ts';
import type { Credentials } from '../../src/agent/sessions.ts';
import { away, createWorld, MINUTE, pass, refuses, SECOND, session } from './world.ts';

const ACME = { connection: 'acme' };

t.test('many who ask at once are one request, and each key is its own', async (t) => {
  const { sessions, asked } = createWorld();
  const all = await Promise.all(Array.from({ length: 100 }, () => sessions.obtain(ACME)));
  t.equal(asked.length, 1);
  t.equal(new Set(all.map(({ AccessKeyId }) => AccessKeyId)).size, 1);
  const others = [{ ...ACME, purpose: 'report' }, { ...ACME, durationSeconds: 900 }, { connection: 'other' }];
  for (const wanted of others) await sessions.obtain(wanted);
  t.same(asked.slice(1), others, 'purpose, duration and connection are told apart');
});

t.test('a session in use is refreshed at half of its life, without being asked for again', async (t) => {
  const world = createWorld();
  t.equal((await world.sessions.obtain(ACME)).AccessKeyId, 'K1');
  await pass(world, 25 * MINUTE);
  t.equal(world.asked.length, 1);
  await pass(world, 6 * MINUTE);
  t.equal(world.asked.length, 2, 'past half');
  t.equal((await world.sessions.obtain(ACME)).AccessKeyId, 'K2');
});

t.test('what nobody asked for during its life is refreshed no more, and forgotten', async (t) => {
  const world = createWorld();
  await world.sessions.obtain(ACME);
  await pass(world, 4 * 60 * MINUTE);
  t.equal(world.asked.length, 3, 'twice within the hour after it was asked for');
  t.equal(world.sessions.size, 0);
});

t.test('the service away: a session that lives is given to its last minute, and then the reason', async (t) => {
  const world = createWorld({ holdMs: 2 * SECOND });
  await world.sessions.obtain(ACME);
  world.answer = away;
  await pass(world, 50 * MINUTE);
  t.ok(world.asked.length > 20, 'and it is asked all the while');
  const old = world.sessions.obtain(ACME);
  await world.step(SECOND);
  t.equal((await old).AccessKeyId, 'K1');
  await pass(world, 9 * MINUTE + 30 * SECOND);
  const late = t.rejects(world.sessions.obtain(ACME), { code: 'unreachable', status: 503 });
  await world.step(3 * SECOND);
  await late;
});

t.test('the service away for three minutes: who has no session is held, and gets one', async (t) => {
  const world = createWorld({ holdMs: 240 * SECOND });
  world.answer = away;
  const held = world.sessions.obtain(ACME);
  await pass(world, 3 * MINUTE);
  t.ok(world.asked.length > 10 && world.asked.length < 40, `asked ${world.asked.length} times`);
  world.answer = async () => session(world.clock, 3600, 'AFTER');
  await pass(world, 16 * SECOND);
  t.equal((await held).AccessKeyId, 'AFTER');
});

t.test('nobody is held any longer: it is tried for five minutes after he asked, and no more', async (t) => {
  const world = createWorld({ holdMs: SECOND });
  world.answer = away;
  const held = t.rejects(world.sessions.obtain(ACME), { code: 'unreachable', message: /goes on trying/ });
  await pass(world, 2 * SECOND);
  await held;
  const ofTwoSeconds = world.asked.length;
  await pass(world, 4 * MINUTE);
  t.ok(world.asked.length > ofTwoSeconds + 10, `asked ${world.asked.length} times`);
  await pass(world, 2 * MINUTE);
  const ofSixMinutes = world.asked.length;
  await pass(world, 10 * MINUTE);
  t.equal(world.asked.length, ofSixMinutes);
  t.equal(world.sessions.size, 0);
});

t.test('held for ten minutes where that is said: it is tried for as long', async (t) => {
  const world = createWorld({ holdMs: 600 * SECOND });
  world.answer = away;
  const held = world.sessions.obtain(ACME);
  held.catch(() => {});
  await pass(world, 9 * MINUTE);
  world.answer = async () => session(world.clock, 3600, 'AFTER');
  await pass(world, 16 * SECOND);
  t.equal((await held).AccessKeyId, 'AFTER');
});

t.test('what waiting does not mend is said at once to who has no session; one that lives is given', async (t) => {
  const world = createWorld();
  await world.sessions.obtain(ACME);
  world.answer = refuses(502, 'sts_misconfigured');
  await t.rejects(world.sessions.obtain({ connection: 'cold' }), { code: 'sts_misconfigured', status: 502 });
  await pass(world, 40 * MINUTE);
  const given = world.sessions.obtain(ACME);
  await world.step(SECOND);
  t.equal((await given).AccessKeyId, 'K1');
});

t.test('another who asks is given nothing of what the one before obtained', async (t) => {
  const world = createWorld();
  await world.sessions.obtain(ACME);
  world.who = 'payroll';
  t.equal((await world.sessions.obtain(ACME)).AccessKeyId, 'K2');
  const answer = Promise.withResolvers<Credentials>();
  world.answer = () => answer.promise;
  const other = world.sessions.obtain({ connection: 'other' });
  await world.settle();
  world.who = 'billing';
  world.answer = async () => session(world.clock, 3600, 'OWN');
  answer.resolve(session(world.clock, 3600, "PAYROLL'S"));
  t.equal((await other).AccessKeyId, 'OWN', 'who asked in the meantime hears what is his');
});

t.test('who hung up teaches that its kind waits for a second only', async (t) => {
  const world = createWorld();
  world.answer = away;
  const left = new AbortController();
  const first = t.rejects(world.sessions.obtain(ACME, left.signal));
  await world.step(2 * SECOND);
  left.abort();
  const second = t.rejects(world.sessions.obtain(ACME), { code: 'unreachable', message: /goes on trying/ });
  await world.step(1100);
  await second;
  await world.step(2 * MINUTE);
  await first;
});

t.test('Retry-After is kept to', async (t) => {
  const world = createWorld();
  world.answer = refuses(503, 'sts_throttled', 30);
  const held = world.sessions.obtain(ACME);
  await world.step(29 * SECOND);
  t.equal(world.asked.length, 1);
  world.answer = async () => session(world.clock, 3600);
  await world.step(3 * SECOND);
  t.equal(world.asked.length, 2);
  await held;
});

for (const [status, code] of [
  [403, 'workload_suspended'],
  [404, 'not_found'],
  [401, 'invalid_client'],
  [409, 'connection_not_active'],
  [503, 'sealed'],
  [502, 'sts_answer_refused'],
] as const) {
  t.test(`${code}: passed on at once, and what was kept is forgotten`, async (t) => {
    const world = createWorld();
    await world.sessions.obtain(ACME);
    await pass(world, 20 * MINUTE);
    world.answer = refuses(status, code);
    await pass(world, 12 * MINUTE);
    t.equal(world.sessions.size, 0, 'forgotten by the refresh that was refused');
    const before = world.asked.length;
    await t.rejects(world.sessions.obtain(ACME), { code, status, options: { requestId: 'rq_1' } });
    t.equal(world.asked.length, before + 1, 'asked once for this caller');
  });
}

t.test('429 and 5xx pass by themselves: what lives is given', async (t) => {
  for (const answer of [refuses(429, 'rate_limited', 1), refuses(500, 'internal'), refuses(503, 'unavailable', 1)]) {
    const world = createWorld();
    await world.sessions.obtain(ACME);
    world.answer = answer;
    await pass(world, 40 * MINUTE);
    const given = world.sessions.obtain(ACME);
    await world.step(SECOND);
    t.equal((await given).AccessKeyId, 'K1');
  }
});

t.test('a wall clock that is set back makes no session live longer', async (t) => {
  const world = createWorld();
  let back = 0;
  const wall = world.clock.wall;
  world.clock.wall = () => wall() - back;
  await world.sessions.obtain(ACME);
  await world.step(50 * MINUTE);
  back = 50 * MINUTE;
  t.equal((await world.sessions.obtain(ACME)).AccessKeyId, 'K2');
});

t.test(
  'a service that hands out what it has: the end of what came counts, and it is not asked in a circle',
  async (t) => {
    const world = createWorld();
    world.answer = async () => session(world.clock, 1500, 'OLD');
    const end = session(world.clock, 1500, 'OLD');
    world.answer = async () => end;
    for (let minute = 0; minute < 15; minute++) {
      const given = world.sessions.obtain(ACME);
      await world.step(SECOND);
      await given;
      await pass(world, MINUTE);
    }
    t.ok(world.asked.length < 12, `asked ${world.asked.length} times in a quarter of an hour`);
  },
);

t.test('bounded: 256 requests at once, and 10 000 kept', async (t) => {
  const world = createWorld();
  world.answer = () => new Promise(() => {});
  const waiting = Array.from({ length: 256 }, (_, index) => world.sessions.obtain({ connection: `c${index}` }));
  for (const wait of waiting) wait.catch(() => {});
  await t.rejects(Promise.race([world.sessions.obtain({ connection: 'more' }), world.settle()]), {
    code: 'unavailable',
    status: 503,
  });
  const many = createWorld();
  many.answer = async () => session(many.clock, 3600);
  for (let index = 0; index < 10_100; index++) await many.sessions.obtain({ connection: `c${index}` });
  t.equal(many.sessions.size, 10_000);
});

t.test('those that wait for a service that fails are in nobody’s way', async (t) => {
  const world = createWorld();
  world.answer = async ({ connection }) => {
    if (connection === 'healthy') return session(world.clock, 3600, 'HEALTHY');
    throw new Refusal('sts_unavailable', 'STS is away.', { status: 503 });
  };
  for (let index = 0; index < 300; index++) {
    world.sessions.obtain({ connection: `c${index}` }).catch(() => {});
    await world.settle();
  }
  t.equal((await world.sessions.obtain({ connection: 'healthy' })).AccessKeyId, 'HEALTHY');
  let [now, most] = [0, 0];
  world.answer = async () => {
    most = Math.max(most, ++now);
    await world.sleep(SECOND, new AbortController().signal);
    now--;
    throw new Refusal('sts_unavailable', 'STS is away.', { status: 503 });
  };
  await world.step(MINUTE);
  t.equal(most, 256, 'and no more are asked for at once than ever');
});

t.test('no secret is in what is logged', async (t) => {
  const world = createWorld();
  await world.sessions.obtain(ACME);
  world.answer = away;
  await pass(world, 31 * MINUTE);
  const text = world.lines.join('\n');
  t.match(text, /session obtained[^]*no session yet/);
  t.notMatch(text, /a-secret-key|a-session-token/);
});

t.test('closed while it waits: whoever is held hears the reason', async (t) => {
  const world = createWorld();
  world.answer = away;
  const held = t.rejects(world.sessions.obtain(ACME), { code: 'unreachable' });
  await world.settle();
  world.sessions.close();
  await held;
});

t.test('closed while the service does not answer: nobody is held for that', async (t) => {
  const world = createWorld();
  world.answer = () => new Promise(() => {});
  let heard: unknown;
  world.sessions.obtain(ACME).catch((error: unknown) => (heard = error));
  await world.settle();
  world.sessions.close();
  await world.settle();
  t.match(heard, { code: 'unavailable', status: 503, message: /is stopping/ });
});

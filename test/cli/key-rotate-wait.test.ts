// `countersign key rotate --wait`: what it says a ring waits for, until the next key signs; and where it ends otherwise.
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { standbyWords } from '../../src/cli/key-rotate-wait.ts';
import type { Key, Ring } from '../../src/cli/key-timeline.ts';
import { startTestService } from '../support/service.ts';
import { cli, type Received, startStandIn } from './stand-in.ts';

const [MADE, SEASONED] = ['2026-11-20T09:00:00.000Z', '2026-11-24T09:00:02.000Z'];
const [EARLY, LATE] = [Date.parse(MADE) + 1000, Date.parse(SEASONED) + 1000];
const active: Key = { kid: 'a'.repeat(43), state: 'active', published_at: MADE, seasoned_at: MADE, signs_from: MADE };
const standby: Key = { kid: 's'.repeat(43), state: 'standby', published_at: MADE, seasoned_at: SEASONED };
const ringOf = (...keys: Key[]): Ring => ({ id: 'is_x:ES256', issuer: 'is_x', algorithm: 'ES256', keys });

t.test('a ring says what stands before its next signature', async (t) => {
  const hold = { since: MADE, until: SEASONED, reason: 'freeze', actor: 'ad_x' };
  const taken = { about: 'standby', outcome: 'accepted', at: SEASONED, looks: 1 } as const;
  const rows: [Ring, number, string][] = [
    [ringOf(active), EARLY, 'no standby is there yet'],
    [ringOf(active, standby), EARLY, `standby ssssssss was made ${MADE}; every verifier knows it from ${SEASONED}`],
    [
      ringOf(active, standby),
      LATE,
      `standby ssssssss is seasoned since ${SEASONED}; it signs as soon as its turn comes`,
    ],
    [
      ringOf(active, { ...standby, proof: taken }),
      LATE,
      `standby ssssssss is seasoned since ${SEASONED}; AWS STS took it ${SEASONED}`,
    ],
    [
      ringOf(active, { ...standby, not_published_to: 's3://b' }),
      LATE,
      `standby ssssssss was made ${MADE}; the published copy s3://b lacks it`,
    ],
    [
      { ...ringOf(active, standby), held_until: SEASONED, hold },
      EARLY,
      `rotations are on hold until ${SEASONED} (freeze)`,
    ],
  ];
  for (const [ring, now, words] of rows) t.equal(standbyWords(ring, now), words);
});

const RUN = { id: 'ro_x', state: 'running', total: 1, actor: 'a', reason: 'r', created_at: MADE, done: 0, waiting: 1 };
const PROGRESS = { ...RUN, held: 0, failed: 0, reasons: [{ code: 'standby_unseasoned', count: 1 }], failures: [] };
const ROTATE = {
  'POST /v1/keys/is_x/rotate': { status: 202, body: { ring: 'is_x:ES256', not_before: SEASONED, rotation: 'ro_x' } },
};
const ARGV = ['key', 'rotate', 'is_x', '--reason', 'drill', '--wait'];

t.test(
  'it waits for another key than the one that signed, says each change once, and no longer than told',
  async (t) => {
    const signs = { ...standby, state: 'active', signs_from: SEASONED };
    const rotated = ringOf({ ...active, state: 'verify_only' }, signs);
    const rings = [ringOf(active, standby), ringOf(active, standby), ringOf(active, standby), rotated];
    const { env, calls } = await startStandIn(t, {
      ...ROTATE,
      'GET /v1/keys/is_x': (_received: Received, nth: number) => ({ body: { items: [rings[Math.min(nth, 3)]] } }),
      'GET /v1/rotations/ro_x': { body: PROGRESS },
    });
    const done = await cli(ARGV, env);
    t.equal(done.code, 0, done.stderr);
    t.match(done.stdout, new RegExp(`^kid +${standby.kid}\nsigns_from +${SEASONED}\npredecessor +${active.kid}$`, 'm'));
    t.match(done.stderr, /^standby ssssssss [^\n]*, standby_unseasoned\n$/, 'one line for two looks');
    t.equal(calls[0]?.method, 'GET', 'what it may not read is told before anything is queued');

    const waiting = { ...ROTATE, 'GET /v1/keys/is_x': { body: { items: [ringOf(active, standby)] } } };
    const never = await startStandIn(t, { ...waiting, 'GET /v1/rotations/ro_x': { body: PROGRESS } });
    const late = await cli([...ARGV, '--timeout', '60'], never.env);
    t.equal(late.code, 1);
    t.match(
      late.stderr,
      /not ended after 60 s: standby ssssssss[^]*\[wait_timeout\]\nhint: .*goes on.*rotations show ro_x --wait/,
    );

    const ends: [object, RegExp][] = [
      [{ ...PROGRESS, state: 'cancelled' }, /was cancelled.*\[rotation_cancelled\]/],
      [
        { ...PROGRESS, state: 'finished', failures: [{ ring: 'r', code: 'ring_retired', detail: 'It is gone.' }] },
        /It is gone\. \[ring_retired\]/,
      ],
    ];
    for (const [body, said] of ends) {
      const ended = await startStandIn(t, { ...waiting, 'GET /v1/rotations/ro_x': { body } });
      t.match(await cli(ARGV, ended.env), { code: 1, stderr: said });
    }
    t.equal((await cli([...ARGV, '--now'], never.env)).code, 2, 'in the call there is nothing to wait for');
    const many = await cli(['key', 'rotations', 'show', 'ro_x', '--wait', '--timeout', '4'], never.env);
    t.match(many, { code: 1, stderr: /0 of 1 rotated[^]*wait_timeout/ });
  },
);

t.test('on a service: until its next key signs', async (t) => {
  const service = await startTestService(t);
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: await service.hostToken() };
  const argv = ['key', 'rotate', 'platform', '--reason', 'drill', '--wait', '--json'];
  const outside = { now: Date.now, sleep: async (ms: number) => await delay(ms) };
  const done = await cli([...argv, '--timeout', '120'], env, outside);
  t.equal(done.code, 0, done.stderr);
  const { kid, predecessor } = done.json() as { kid: string; predecessor: string };
  const { body } = await service.call('GET', '/v1/keys/platform');
  const states = Object.fromEntries(body.items[0].keys.map((key: Key) => [key.kid, key.state]));
  t.match(states, { [kid]: 'active', [predecessor]: 'verify_only' });
  const young = await cli([...argv, '--timeout', '1'], env, outside);
  t.match(young, { code: 1, stderr: /every verifier knows it from/ });
});

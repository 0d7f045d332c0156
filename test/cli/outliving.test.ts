// Commands that wait outlive their token, and an outage of the service: they go on by themselves, and lose nothing.
import t from 'tap';
import { CONNECTION, cli, problem, type Reply, type Received, type Routes, startStandIn } from './stand-in.ts';

const EXPIRED = problem(401, 'invalid_token', 'The token has expired.');
const AT = '2026-11-20T09:00:00.000Z';
const KEY = { state: 'active', published_at: AT, seasoned_at: AT };
const ringOf = (kid: string) => ({ id: 'is_x:ES256', issuer: 'is_x', algorithm: 'ES256', keys: [{ ...KEY, kid }] });
const RUN = { id: 'ro_x', state: 'running', total: 1, actor: 'a', reason: 'r', created_at: AT, done: 0, waiting: 1 };
const PROGRESS = { ...RUN, held: 0, failed: 0, reasons: [], failures: [] };
const FINISHED = { ...PROGRESS, state: 'finished', done: 1 };
const KEKS = { keks: [], replicas: [], changed: true };
const ROTATION = { to: 'k', started_at: AT, actor: 'a', reason: 'r', remaining: 3 };

/** What is polled: the first answers, then the last. */
type Polled = [path: string, first: object, last: object];

const WHY = ['--reason', 'x'];
const ONE = { ring: 'is_x:ES256', not_before: AT };
const WAITS: [argv: string[], polled: Polled][] = [
  [
    ['kek', 'rotate', '--wait', ...WHY],
    ['/v1/kek', { ...KEKS, rotation: ROTATION }, KEKS],
  ],
  [
    ['key', 'rotations', 'show', 'ro_x', '--wait'],
    ['/v1/rotations/ro_x', PROGRESS, FINISHED],
  ],
  [
    ['key', 'rotate', '--all', '--wait', ...WHY],
    ['/v1/rotations/ro_x', PROGRESS, FINISHED],
  ],
  [
    ['key', 'rotate', 'is_x', '--wait', ...WHY],
    ['/v1/keys/is_x', { items: [ringOf('a')] }, { items: [ringOf('b')] }],
  ],
  [
    ['connection', 'wait', CONNECTION],
    [`/v1/connections/${CONNECTION}`, { state: 'pending' }, { state: 'active' }],
  ],
];
const WRITES: Routes = {
  'POST /v1/kek/rotate': { body: { ...KEKS, rotation: ROTATION } },
  'POST /v1/rotations': { status: 202, body: RUN },
  'POST /v1/keys/is_x/rotate': { status: 202, body: ONE },
};

t.test('a token that ends while a command waits is got anew', async (t) => {
  for (const [argv, [path, first, last]] of WAITS) {
    const answers: Reply[] = [{ body: first }, EXPIRED, { body: first }, { body: last }];
    const { env, tokens } = await startStandIn(t, {
      ...WRITES,
      [`GET ${path}`]: (_, nth) => answers[nth] ?? { body: last },
    });
    const ended = await cli(argv, env, { now: Date.now, sleep: async () => {} });
    t.equal(ended.code, 0, `${argv.join(' ')}: ${ended.stderr}`);
    t.equal(tokens.length, 2, argv.join(' '));
  }
});

const GATEWAY: Reply = { status: 502, body: '<html>bad gateway</html>' };
const STARTING = problem(503, 'unavailable', 'Not yet.');

t.test('an outage while a command waits is waited through, and said once; not beyond its time', async (t) => {
  for (const [argv, [path, first, last]] of WAITS) {
    const answers: Reply[] = [{ body: first }, GATEWAY, STARTING, { reset: true }, { reset: true }];
    const routes = { ...WRITES, [`GET ${path}`]: (_: Received, nth: number) => answers[nth] ?? { body: last } };
    const ended = await cli(argv, (await startStandIn(t, routes)).env);
    t.equal(ended.code, 0, `${argv.join(' ')}: ${ended.stderr}`);
    t.equal(ended.stderr.match(/Waiting until it is there again/g)?.length, 1, argv.join(' '));

    const away = { ...WRITES, [`GET ${path}`]: (_: Received, nth: number) => (nth < 1 ? { body: first } : STARTING) };
    const gaveUp = await cli([...argv, '--timeout', '60'], (await startStandIn(t, away)).env);
    t.match(gaveUp, { code: 1, stderr: /error: Not yet\. \[unavailable\]/ }, argv.join(' '));
  }
});

t.test('audit --follow: through an outage and the end of its token, every row once', async (t) => {
  const row = (seq: number) => ({
    ...{ seq, at: `2026-11-21T09:00:0${seq}.000Z`, kind: 'token.minted', hash: `h${seq}`, details: {} },
  });
  const away: Reply[] = [{ reset: true }, { reset: true }, GATEWAY, STARTING, EXPIRED];
  const answers: Reply[] = [
    { body: { items: [row(1)] } },
    ...away,
    { body: { items: [row(3), row(2), row(1)] } },
    { body: { items: [row(4), row(3), row(2)] } },
  ];
  const { env, calls, tokens } = await startStandIn(t, { 'GET /v1/audit': (_, nth) => answers[nth] as Reply });
  const ended = await cli(['audit', '--follow', '--json', '--from', '2026-11-21T09:00:00Z'], env, {
    sleep: async () => {
      if (calls.length === answers.length) throw new Error('enough');
    },
  });
  t.match(ended, { code: 1, stderr: /^[^\n]*\[connection_lost\] Waiting until it is there again\.\n\{\n/ });
  const rows = ended.stdout.trim().split('\n');
  t.same(
    rows.map((line) => (JSON.parse(line) as { seq: number }).seq),
    [1, 2, 3, 4],
  );
  t.equal(tokens.length, 2);
  t.match(await cli(['audit', '--follow'], { ...env, COUNTERSIGN_URL: 'http://127.0.0.1:1' }), { code: 3 });
});

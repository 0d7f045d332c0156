// `key` and `audit`: what is sent, what is shown, following the log.
import t from 'tap';
import { cli, type Received, startStandIn } from './stand-in.ts';

const KID = 'k'.repeat(43);
const RING = {
  ...{
    id: 'platform:ES256',
    issuer: 'platform',
    issuer_url: 'https://id.example.com',
    algorithm: 'ES256',
    purpose: 'workload_token',
  },
  next_rotation_at: '2026-12-21T09:00:00.000Z',
  keys: [
    {
      kid: KID,
      state: 'active',
      published_at: '2026-11-21T09:00:00.000Z',
      seasoned_at: '2026-11-21T09:00:00.000Z',
      signs_from: '2026-11-21T09:00:00.000Z',
    },
    {
      kid: 's'.repeat(43),
      state: 'standby',
      published_at: '2026-11-21T09:00:00.000Z',
      seasoned_at: '2026-11-25T09:00:02.000Z',
    },
  ],
};

t.test('list and show', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/keys': { body: { items: [RING] } },
    'GET /v1/keys/platform': { body: { items: [RING] } },
    'GET /v1/key-policy': { body: { version: 1, period_seconds: 180, retirement_seconds: { workload_token: 1206 } } },
  });
  t.match(
    (await cli(['key', 'list'], env)).stdout,
    new RegExp(`^platform +ES256 +${KID} +2026-11-21T09:00:00.000Z +2 +2026-12-21`, 'm'),
  );
  t.match(
    (await cli(['key', 'show'], env)).stdout,
    /^s+ +standby +2026-11-21T09:00:00.000Z +2026-11-25T09:00:02.000Z +- +-$/m,
  );
  t.same((await cli(['key', 'show', 'platform', '--json'], env)).json(), { items: [RING] });
  t.match((await cli(['key', 'policy'], env)).stdout, /^retirement_seconds +workload_token=1206$/m);
  t.equal(calls.length, 4);
});

t.test('rotate and revoke', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/keys/platform/rotate': { body: { ring: 'r', kid: KID } },
    'POST /v1/keys/is_x/rotate': { status: 202, body: { ring: 'r', not_before: '2026-11-21T09:00:00.000Z' } },
    'POST /v1/keys/is_x/revoke': { body: { kid: KID, was: 'active' } },
  });
  t.match((await cli(['key', 'rotate', '--now', '--reason', 'drill'], env)).stdout, new RegExp(`kid +${KID}`));
  t.match(
    (await cli(['key', 'rotate', 'is_x', '--algorithm', 'RS256', '--reason', 'drill'], env)).stdout,
    /not_before/,
  );
  t.equal((await cli(['key', 'revoke', 'is_x', KID, '--reason', 'stolen'], env)).code, 0);
  t.equal((await cli(['key', 'revoke', 'is_x', KID, '--accept-outage', '--reason', 'stolen'], env)).code, 0);
  t.strictSame(
    calls.map(({ body, headers }) => [body, headers['countersign-reason']]),
    [
      [{ now: true }, 'drill'],
      [{ algorithm: 'RS256' }, 'drill'],
      [{ kid: KID }, 'stolen'],
      [{ kid: KID, accept_outage: true }, 'stolen'],
    ],
  );
});

t.test('hold and resume', async (t) => {
  const held = { ...RING, held_until: 'u', hold: { since: 's', until: 'u', reason: 'freeze', actor: 'ad_x' } };
  const { env, calls } = await startStandIn(t, {
    'POST /v1/keys/is_x/hold': { body: { ring: 'r', held_until: '2026-11-28T09:00:00.000Z' } },
    'POST /v1/keys/is_x/resume': { body: { ring: 'r', changed: true } },
    'GET /v1/keys/is_x': { body: { items: [held] } },
  });
  const hold = (...rest: string[]) => cli(['key', 'hold', 'is_x', '--reason', 'freeze', ...rest], env);
  t.match((await hold('--for', '7d')).stdout, /^held_until +2026-11-28/m);
  t.equal((await hold('--until', '2026-11-28T10:00:00+01:00', '--algorithm', 'RS256')).code, 0);
  for (const wrong of [[], ['--for', '7'], ['--until', 'soon'], ['--for', '7d', '--until', '2026-11-28']])
    t.equal((await hold(...wrong)).code, 2, wrong.join(' '));
  t.match((await cli(['key', 'resume', 'is_x', '--reason', 'over'], env)).stdout, /^changed +true/m);
  t.match((await cli(['key', 'show', 'is_x'], env)).stdout, /^held_because +freeze$/m);
  t.strictSame(
    calls.slice(0, 3).map(({ body, headers }) => [body, headers['countersign-reason']]),
    [
      [{ duration_seconds: 604_800 }, 'freeze'],
      [{ until: '2026-11-28T09:00:00.000Z', algorithm: 'RS256' }, 'freeze'],
      [{}, 'over'],
    ],
  );
});

const row = (seq: number, at: string): object => ({
  v: 1,
  stream: 'st_x',
  seq,
  at,
  kind: 'token.minted',
  actor: 'wl_x',
  details: { reason: 'why' },
  hash: `hash${seq}`,
});

t.test('audit: filters, times and their short forms', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/audit': { body: { items: [row(1, '2026-11-21T09:00:00.000Z')], next_cursor: 'c' } },
  });
  const filters = [
    '--kind',
    'token.minted',
    '--actor',
    'wl_x',
    '--workload',
    'wl_y',
    '--connection',
    'cn_x',
    '--exchange',
    'ex_x',
    '--limit',
    '5',
  ];
  const ended = await cli(['audit', ...filters, '--from', '2026-11-21', '--to', '2026-11-21T10:00:00+01:00'], env);
  t.strictSame(calls[0]?.query, {
    ...{ kind: 'token.minted', actor: 'wl_x', workload: 'wl_y', connection: 'cn_x', exchange: 'ex_x', limit: '5' },
    ...{ from: '2026-11-21T00:00:00.000Z', to: '2026-11-21T09:00:00.000Z' },
  });
  t.match(
    ended.stdout,
    /^2026-11-21T09:00:00.000Z +token\.minted +wl_x +why\nThere is more: --cursor c, or --all\.\n$/m,
  );
  const now = Date.parse('2026-11-21T12:00:00.000Z');
  const token = { COUNTERSIGN_URL: env['COUNTERSIGN_URL'], COUNTERSIGN_TOKEN: 'tok' };
  await cli(['audit', '--from', '90m'], token, { now: () => now });
  t.strictSame(calls[1]?.query, { from: '2026-11-21T10:30:00.000Z' });
});

t.test('audit --follow: every row once, oldest first, one JSON object a line', async (t) => {
  const at = (second: number): string => `2026-11-21T09:00:0${second}.000Z`;
  const pages = [[], [row(2, at(2)), row(1, at(1))], [row(4, at(4)), row(3, at(1)), row(2, at(2)), row(1, at(1))]];
  const { env, calls } = await startStandIn(t, {
    'GET /v1/audit': (_received: Received, nth: number) => ({ body: { items: pages[nth] } }),
  });
  const ended = await cli(['audit', '--follow', '--json', '--from', at(0)], env, {
    sleep: async () => {
      if (calls.length === pages.length) throw new Error('enough');
    },
  });
  t.match(ended, { code: 1, stderr: /enough/ });
  const rows = ended.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
  t.strictSame(rows, [1, 2, 3, 4], 'one that was durable late is shown too');
  t.strictSame(
    calls.map(({ query }) => query.from),
    [at(0), at(0), at(0)],
    'an overlap, and never before what was asked',
  );
  t.equal((await cli(['audit', '--follow', '--to', '1h'], env)).code, 2);
});

// `key` and `audit`: what is sent, what is shown, following the log.
import t from 'tap';
import type { Sink } from '../../src/cli/outside.ts';
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

const NOW = Date.parse('2026-11-22T12:00:00.000Z');
/** The environment of somebody who has a token: no assertion is dated by the test's clock. */
const held = ({ COUNTERSIGN_URL: url }: Record<string, string>) => ({ COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'tok' });
const ESCAPE = new RegExp(String.fromCharCode(27));
const POLICY = {
  ...{ version: 1, verifier_cache_seconds: 86_400, oldest_served_seconds: 259_200, oldest_signed_seconds: 60 },
  ...{ clock_error_seconds: 2, period_seconds: 2_592_000, seasoning_seconds: 345_602 },
  retirement_seconds: { workload_token: 1262, web_identity_token: 482 },
};

t.test('list and show', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/keys': { body: { items: [RING] } },
    'GET /v1/keys/platform': { body: { items: [RING] } },
    'GET /v1/key-policy': { body: POLICY },
  });
  t.match(
    (await cli(['key', 'list'], env)).stdout,
    new RegExp(`^platform +ES256 +${KID} +2026-11-21T09:00:00.000Z +2 +2026-12-21`, 'm'),
  );
  t.match(
    (await cli(['key', 'show'], env)).stdout,
    /^s+ +standby +2026-11-21T09:00:00.000Z +2026-11-25T09:00:02.000Z +- +- +-$/m,
  );
  const shown = (await cli(['key', 'show', 'platform', '--json'], held(env), { now: () => NOW })).json();
  t.same(shown, {
    items: [
      {
        ...RING,
        next_steps: [
          { step: 'may_sign', at: '2026-11-25T09:00:02.000Z', kid: 's'.repeat(43) },
          { step: 'rotation', at: RING.next_rotation_at, kid: 's'.repeat(43) },
        ],
      },
    ],
  });
  t.equal(calls.length, 3);
  const { stdout } = await cli(['key', 'policy'], env);
  t.match(stdout, /A \+ D \+ e after it was published.*\n {2}86400 \+ 259200 \+ 2 = 345602 s \(4 d 2 s\)$/m);
  t.match(stdout, /workload token \(T = 900\): 60 \+ 900 \+ 300 \+ 2 = 1262 s \(21 min 2 s\).* = 3 keys/);
  t.match(stdout, /60 \+ 2 \+ 900 = 962 s \(16 min 2 s\)/);
  t.same((await cli(['key', 'policy', '--json'], env)).json(), POLICY);
});

t.test('a line of time: as wide as the terminal, painted on one alone', async (t) => {
  const { env } = await startStandIn(t, { 'GET /v1/keys/platform': { body: { items: [RING] } } });
  const show = async (stdout: Partial<Sink>, more: object = {}): Promise<string> => {
    let written = '';
    const sink = { ...stdout, write: (text: string) => void (written += text) };
    await cli(['key', 'show'], { ...held(env), ...more }, { now: () => NOW, stdout: sink });
    return written;
  };
  const plain = await show({});
  const line = (text: string, kid: string): string =>
    text.split('\n').find((candidate) => candidate.startsWith(`${kid.repeat(8)} `)) ?? '';
  t.match(line(plain, 'k'), /^k{8} █+┃█+ +active$/, 'it signed, and goes on until the planned rotation');
  t.match(line(plain, 's'), /^s{8} ·+┃·+░+█+ +standby$/, 'young, then it may sign, then it does');
  t.match(
    plain,
    /^The standby ssssssss may sign from 2026-11-25T09:00:02.000Z; the next rotation is planned for 2026-12-21/m,
  );
  const longest = (text: string): number => Math.max(...['k', 's'].map((kid) => [...line(text, kid)].length));
  for (const columns of [60, 100, 160]) {
    const drawn = await show({ columns });
    t.ok(longest(drawn) <= columns && longest(drawn) > columns - 20, `${columns} columns`);
  }
  t.ok(longest(await show({ columns: 5 })) < 40, 'a terminal of no width ends nothing');
  t.notMatch(plain, ESCAPE, 'no colour off a terminal');
  t.match(await show({ isTTY: true }), ESCAPE);
  t.notMatch(await show({ isTTY: true }, { NO_COLOR: '1' }), ESCAPE);
});

t.test('rotate and revoke', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/keys/platform/rotate': { body: { ring: 'r', kid: KID } },
    'POST /v1/keys/is_x/rotate': {
      status: 202,
      body: { ring: 'r', not_before: '2026-11-21T09:00:00.000Z', rotation: 'ro_x' },
    },
    'POST /v1/keys/is_x/revoke': { body: { kid: KID, was: 'active' } },
  });
  t.match((await cli(['key', 'rotate', '--now', '--reason', 'drill'], env)).stdout, new RegExp(`kid +${KID}`));
  t.match(
    (await cli(['key', 'rotate', 'is_x', '--algorithm', 'RS256', '--reason', 'drill'], env)).stdout,
    /not_before/,
  );
  t.equal((await cli(['key', 'revoke', 'is_x', KID, '--reason', 'stolen'], env)).code, 0);
  t.equal((await cli(['key', 'revoke', 'is_x', KID, '--accept-outage', '--reason', 'stolen'], env)).code, 0);
  const all = ['key', 'revoke', 'is_x', '--all-burnt', '--reason', 'stolen'];
  t.equal((await cli([...all, '--published-before', '2026-11-21', '--algorithm', 'ES256'], env)).code, 0);
  for (const wrong of [['is_x'], ['is_x', KID, '--all-burnt'], ['is_x', KID, '--algorithm', 'ES256']])
    t.equal((await cli(['key', 'revoke', ...wrong, '--reason', 'stolen'], env)).code, 2, wrong.join(' '));
  t.strictSame(
    calls.map(({ body, headers }) => [body, headers['countersign-reason']]),
    [
      [{ now: true }, 'drill'],
      [{ algorithm: 'RS256' }, 'drill'],
      [{ kid: KID }, 'stolen'],
      [{ kid: KID, accept_outage: true }, 'stolen'],
      [{ all_burnt: true, published_before: '2026-11-21T00:00:00.000Z', algorithm: 'ES256' }, 'stolen'],
    ],
  );
});

t.test('hold and resume', async (t) => {
  const until = '2026-11-28T09:00:00.000Z';
  const held = { ...RING, held_until: until, hold: { since: until, until, reason: 'freeze', actor: 'ad_x' } };
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

t.test('rotate many: what is meant, how far it is, an end to it', async (t) => {
  const run = { id: 'ro_x', state: 'running', total: 3, actor: 'a', reason: 'r', created_at: 'c' };
  const looked = {
    ...run,
    done: 1,
    waiting: 1,
    held: 1,
    failed: 0,
    reasons: [{ code: 'ring_held', count: 1 }],
    failures: [],
  };
  const { env, calls } = await startStandIn(t, {
    'POST /v1/rotations': { status: 202, body: run },
    'GET /v1/rotations/ro_x': (_received: Received, nth: number) => ({
      body:
        nth === 0
          ? { ...looked, next_at: 'then' }
          : { ...looked, done: 3, waiting: 0, held: 0, reasons: [], state: 'finished' },
    }),
    'GET /v1/rotations': { body: { items: [run] } },
    'POST /v1/rotations/ro_x/cancel': { body: { ...looked, state: 'cancelled' } },
  });
  const rotate = (...rest: string[]) => cli(['key', 'rotate', '--reason', 'INC-42', ...rest], env);
  const waited = await rotate('--all', '--rate', '300', '--wait');
  t.match(waited.stderr, /^1 of 3 rotated, 1 waiting, 1 held, ring_held 1, next at then\n3 of 3 rotated\n$/m);
  t.match(waited.stdout, /^state +finished$/m);
  await rotate('--tenant', 'acme', '--algorithm', 'RS256');
  await rotate('--label', 'team=core');
  await rotate('is_a', 'is_b');
  for (const wrong of [
    ['--all', 'is_a'],
    ['--all', '--now'],
    ['--rate', '0', '--all'],
  ])
    t.equal((await rotate(...wrong)).code, 2, wrong.join(' '));
  t.match((await cli(['key', 'rotations', 'list'], env)).stdout, /^ro_x +running +3/m);
  t.match((await cli(['key', 'rotations', 'cancel', 'ro_x', '--reason', 'no'], env)).stdout, /^state +cancelled$/m);
  t.strictSame(
    calls.filter(({ method, path }) => method === 'POST' && path === '/v1/rotations').map(({ body }) => body),
    [
      { selection: { all: true }, rate_per_minute: 300 },
      { selection: { tenant: 'acme', algorithm: 'RS256' } },
      { selection: { label: { team: 'core' } } },
      { selection: { issuers: ['is_a', 'is_b'] } },
    ],
  );
});

t.test('policy set: what was named, the rest as it is, before and after', async (t) => {
  const times = {
    ...{ verifier_cache_seconds: 86_400, oldest_served_seconds: 259_200, oldest_signed_seconds: 60 },
    ...{ clock_error_seconds: 2, period_seconds: 2_592_000, seasoning_seconds: 345_602 },
    retirement_seconds: { workload_token: 1262, web_identity_token: 482 },
    most_keys: { workload_token: 3, web_identity_token: 3 },
  };
  const before = { version: 4, since: 's', ...times };
  const after = { ...before, version: 5, period_seconds: 1_209_600, in_force: { ...times, until: 'then' } };
  const { env, calls } = await startStandIn(t, {
    'GET /v1/key-policy': { body: { ...before, reason: 'r', actor: 'a' } },
    'PUT /v1/key-policy': ({ body }: Received) => ({
      body: { before, after, changed: (body as { dry_run?: boolean }).dry_run !== true },
    }),
  });
  const set = (...rest: string[]) => cli(['key', 'policy', 'set', '--reason', 'auditors', ...rest], env);
  const tried = await set('--period', '14d', '--dry-run');
  t.match(tried.stdout, /^period +2592000 s +1209600 s$/m);
  t.match(
    tried.stdout,
    /What was lowered counts from then; until then, A \+ D \+ e is 345602 s\.\nNothing was changed/,
  );
  t.match((await set('--period', '14d')).stdout, /^Version 5 is in place of 4\.$/m);
  t.equal((await set()).code, 2);
  const sent = {
    ...{ replaces: 4, verifier_cache_seconds: 86_400, oldest_served_seconds: 259_200, oldest_signed_seconds: 60 },
    ...{ clock_error_seconds: 2, period_seconds: 1_209_600 },
  };
  t.strictSame(
    calls.filter(({ method }) => method === 'PUT').map(({ body }) => body),
    [{ ...sent, dry_run: true }, sent],
  );
  t.match((await cli(['key', 'policy', 'show', '--json'], env)).json(), { version: 4 });
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

// `grant`: one selector each, limits that stay when they are not named, limits that are cleared.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli, CONNECTION, startStandIn } from './stand-in.ts';

const GRANT = {
  ...{ id: 'gr_x', workload: 'wl_x', selector: { label: 'stage=prod' }, purpose: 'default', max_session_seconds: 3600 },
  ...{ session_policy: null, policy_arns: [], tags: {}, version: 1 },
};

t.test('create: each selector, and all limits', async (t) => {
  const { env, calls, folder } = await startStandIn(t, { 'POST /v1/grants': { status: 201, body: GRANT } });
  const create = (...further: string[]): Promise<{ code: number; stderr: string }> =>
    cli(['grant', 'create', '--workload', 'billing', ...further], env);
  for (const [further, selector] of [
    [['--connection', CONNECTION], { connection: CONNECTION }],
    [['--label', 'stage=prod'], { label: 'stage=prod' }],
    [['--tenant', 'acme'], { tenant: 'acme' }],
    [['--all'], { all: true }],
  ] as const) {
    t.equal((await create(...further)).code, 0);
    t.strictSame(calls.at(-1)?.body, { workload: 'billing', selector });
    t.ok(calls.at(-1)?.headers['idempotency-key']);
  }
  const policy = { Version: '2012-10-17', Statement: [] };
  writeFileSync(join(folder, 'limits.json'), JSON.stringify(policy));
  const arn = 'arn:aws:iam::aws:policy/ReadOnlyAccess';
  const limits = [
    '--purpose',
    'deploy',
    '--max-session-seconds',
    '900',
    '--session-policy',
    join(folder, 'limits.json'),
    '--policy-arn',
    arn,
    '--tag',
    'a=1',
    '--tag',
    'b=2',
  ];
  t.equal((await create('--all', ...limits)).code, 0);
  t.strictSame(calls.at(-1)?.body, {
    ...{ workload: 'billing', selector: { all: true }, purpose: 'deploy', max_session_seconds: 900 },
    ...{ session_policy: policy, policy_arns: [arn], tags: { a: '1', b: '2' } },
  });
  const before = calls.length;
  t.match(await create(), { code: 2, stderr: /one selector/ });
  t.match(await create('--all', '--tenant', 'x'), { code: 2, stderr: /one selector/ });
  writeFileSync(join(folder, 'limits.json'), '{"canary":');
  const notJson = await create('--all', '--session-policy', join(folder, 'limits.json'));
  t.match(notJson, { code: 1, stderr: /does not hold JSON/ });
  t.notMatch(notJson.stderr, 'canary');
  t.equal(calls.length, before);
});

t.test('what is wrong with its limits is said under it, and is in the JSON', async (t) => {
  const warnings = [{ code: 'short_ceiling', detail: 'Allow 1800 s or more\u001b[2J.' }];
  const short = { ...GRANT, max_session_seconds: 900, warnings };
  const { env } = await startStandIn(t, {
    'POST /v1/grants': { status: 201, body: short },
    'GET /v1/grants/gr_x': { body: short },
    'GET /v1/connections/cn_x': { body: { id: 'cn_x', issuer: {}, aws: {}, verification: null, warnings } },
  });
  for (const argv of [
    ['grant', 'create', '--workload', 'billing', '--all', '--max-session-seconds', '900'],
    ['grant', 'show', 'gr_x'],
    ['connection', 'show', 'cn_x'],
  ]) {
    const { code, stdout } = await cli(argv, env);
    t.equal(code, 0, argv.join(' '));
    t.match(stdout, /\nwarning: Allow 1800 s or more\\u001b\[2J\.\n$/, 'shown, and not obeyed');
    t.notMatch(stdout, 'short_ceiling', 'once');
  }
  t.same((await cli(['grant', 'show', 'gr_x', '--json'], env)).json(), short);
});

t.test('list, show, delete', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/grants': { body: { items: [GRANT, { ...GRANT, selector: { all: true } }] } },
    'GET /v1/grants/gr_x': { body: GRANT },
    'DELETE /v1/grants/gr_x': { status: 204 },
  });
  const list = await cli(['grant', 'list', '--workload', 'billing'], env);
  t.strictSame(calls[0]?.query, { workload: 'billing' });
  t.match(list.stdout, /label:stage=prod +default +3600\n.* all +default/);
  t.same((await cli(['grant', 'show', 'gr_x', '--json'], env)).json(), GRANT);
  t.same((await cli(['grant', 'delete', 'gr_x', '--json'], env)).json(), { id: 'gr_x', deleted: true });
  t.equal((await cli(['grant', 'delete', 'gr_x'], env)).stdout, 'deleted gr_x\n');
  t.equal(calls.at(-1)?.headers['content-type'], undefined, 'no body, no content type');
});

t.test('update: what is named changes, --no-… clears', async (t) => {
  const { env, calls } = await startStandIn(t, { 'PATCH /v1/grants/gr_x': { body: GRANT } });
  t.equal((await cli(['grant', 'update', 'gr_x', '--max-session-seconds', '900'], env)).code, 0);
  t.equal((await cli(['grant', 'update', 'gr_x', '--no-session-policy', '--no-policy-arn'], env)).code, 0);
  t.strictSame(
    calls.map(({ body }) => body),
    [{ max_session_seconds: 900 }, { session_policy: null, policy_arns: [] }],
  );
  t.match(await cli(['grant', 'update', 'gr_x'], env), { code: 2, stderr: /Nothing was named/ });
});

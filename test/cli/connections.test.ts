// `connection`: what is sent for each verb, waiting, the link and the template.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli, CONNECTION, problem, type Received, startStandIn } from './stand-in.ts';

const shown = (state: string, over: object = {}): object => ({
  ...{
    id: CONNECTION,
    reference: 'acme-prod',
    name: 'Acme',
    tenant: 'default',
    labels: { stage: 'prod' },
    state,
    state_reason: '',
  },
  ...{ issuer: { id: 'is_x', url: 'https://id.example.com/c/is_x' }, subject: CONNECTION, generation: 1 },
  ...{
    aws: { account_id: '123456789012', role_arn: 'arn:aws:iam::123456789012:role/x', role_id: null },
    verification: null,
  },
  ...over,
});
const PATH = `/v1/connections/${CONNECTION}`;

t.test('create: the smallest and the largest', async (t) => {
  const { env, calls, folder } = await startStandIn(t, {
    'POST /v1/connections': { status: 201, body: shown('pending') },
  });
  const least = await cli(
    ['connection', 'create', '--name', 'Acme', '--account', '123456789012', '--permission-set', 'read-only', '--json'],
    env,
  );
  t.equal(least.code, 0, least.stderr);
  t.same(least.json(), shown('pending'));
  t.strictSame(calls[0]?.body, { name: 'Acme', aws: { account_id: '123456789012', permission_set: 'read-only' } });
  t.ok(calls[0]?.headers['idempotency-key']);

  const policy = { Version: '2012-10-17', Statement: [] };
  writeFileSync(join(folder, 'policy.json'), JSON.stringify(policy));
  const most = `connection create --name Acme --account 123456789012 --permission-set custom --custom-policy ${folder}/policy.json --addition s3 --addition sqs
    --reference acme-prod --tenant acme --label a=1 --label b=x=y --max-session-seconds 900 --source-identity --session-tags --partition aws-cn --region cn-north-1
    --role-name r --algorithm RS256`;
  t.equal((await cli(most.split(/\s+/), env)).code, 0);
  t.strictSame(calls[1]?.body, {
    ...{ name: 'Acme', reference: 'acme-prod', tenant: 'acme', labels: { a: '1', b: 'x=y' }, max_session_seconds: 900 },
    ...{ source_identity: true, session_tags: true, algorithm: 'RS256' },
    aws: {
      ...{
        account_id: '123456789012',
        partition: 'aws-cn',
        region: 'cn-north-1',
        role_name: 'r',
        permission_set: 'custom',
      },
      ...{ additions: ['s3', 'sqs'], custom_policy: policy },
    },
  });
});

t.test('create: what cannot be right is refused here', async (t) => {
  const { env, calls } = await startStandIn(t);
  const base = ['connection', 'create', '--name', 'Acme', '--account', '123456789012'];
  t.match(await cli(base, env), { code: 2, stderr: /--permission-set/ });
  t.match(await cli([...base, '--permission-set', 'root'], env), {
    code: 2,
    stderr: /administrator, core, read-only, custom/,
  });
  t.match(await cli([...base, '--permission-set', 'core', '--addition', 'ec2'], env), { code: 2, stderr: /s3, rds/ });
  t.match(await cli([...base, '--permission-set', 'core', '--max-session-seconds', '899'], env), {
    code: 2,
    stderr: /900 to 43200/,
  });
  t.equal(calls.length, 0);
});

t.test('list filters, show flattens', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/connections': { body: { items: [shown('degraded', { state_reason: 'role_recreated' })] } },
    'GET /v1/connections/acme-prod': {
      body: shown('verifying', { verification: { attempts: 2, last_code: 'AccessDenied', last_detail: null } }),
    },
  });
  const list = await cli(['connection', 'list', '--tenant', 'a', '--label', 'stage=prod', '--state', 'degraded'], env);
  t.strictSame(calls[0]?.query, { tenant: 'a', label: 'stage=prod', state: 'degraded' });
  t.match(list.stdout, /acme-prod +Acme +default +123456789012 +degraded +role_recreated/);
  const show = await cli(['connection', 'show', 'acme-prod'], env);
  t.match(show.stdout, /^aws\.account_id +123456789012$/m);
  t.match(show.stdout, /^verification\.last_code +AccessDenied$/m);
  t.match(show.stdout, /^labels +stage=prod$/m);
});

t.test('changes: update, pause, resume, verify, disconnect', async (t) => {
  const { env, calls } = await startStandIn(t, {
    [`PATCH ${PATH}`]: { body: shown('paused') },
    [`POST ${PATH}/verify`]: { status: 202, body: shown('verifying') },
    [`DELETE ${PATH}`]: { body: shown('disconnected') },
  });
  const reason = ['--reason', 'why'];
  t.equal(
    (await cli(['connection', 'update', CONNECTION, '--name', 'New', '--no-source-identity', ...reason], env)).code,
    0,
  );
  t.equal((await cli(['connection', 'pause', CONNECTION, ...reason], env)).code, 0);
  t.equal((await cli(['connection', 'resume', CONNECTION, ...reason], env)).code, 0);
  t.equal((await cli(['connection', 'verify', CONNECTION, ...reason], env)).code, 0);
  t.same((await cli(['connection', 'disconnect', CONNECTION, '--json', ...reason], env)).json(), shown('disconnected'));
  t.strictSame(
    calls.map(({ method, body }) => [method, body]),
    [
      ['PATCH', { name: 'New', source_identity: false }],
      ['PATCH', { state: 'paused' }],
      ['PATCH', { state: 'active' }],
      ['POST', undefined],
      ['DELETE', undefined],
    ],
  );
  for (const { headers } of calls) t.equal(headers['countersign-reason'], 'why');
  t.match(await cli(['connection', 'update', CONNECTION], env), { code: 2, stderr: /Nothing was named/ });
});

t.test('wait: until it is active, and says what happens on the way', async (t) => {
  const states = ['pending', 'verifying', 'verifying', 'active'];
  const { env, calls } = await startStandIn(t, {
    [`GET ${PATH}`]: (_received: Received, nth: number) => ({
      body: shown(
        states[nth] ?? 'active',
        nth === 2 ? { verification: { last_code: 'AccessDenied', last_detail: 'not yet' } } : {},
      ),
    }),
  });
  const ended = await cli(['connection', 'wait', CONNECTION, '--timeout', '60'], env);
  t.equal(ended.code, 0, ended.stderr);
  t.equal(ended.stderr, 'pending\nverifying\nverifying: AccessDenied: not yet\n');
  t.match(ended.stdout, /^state +active$/m);
  t.match(calls[0]?.query, { wait: 'active', timeout_seconds: '30' });
  t.equal(calls.length, 4);
});

t.test('wait: ends with 1 when the time is over, or where waiting does not help', async (t) => {
  const { env, calls } = await startStandIn(t, { [`GET ${PATH}`]: { body: shown('pending') } });
  t.match(await cli(['connection', 'wait', CONNECTION, '--timeout', '5', '--json'], env), {
    code: 1,
    stderr: /"wait_timeout"/,
    stdout: '',
  });
  t.ok(calls.length >= 3 && calls.length <= 8, 'no busy loop');
  for (const state of ['paused', 'disconnected', 'unsafe']) {
    const stuck = await startStandIn(t, { [`GET ${PATH}`]: { body: shown(state) } });
    t.match(await cli(['connection', 'wait', CONNECTION], stuck.env), {
      code: 1,
      stderr: new RegExp(`by itself: ${state}`),
    });
    t.equal(stuck.calls.length, 1);
  }
});

t.test('link: the URL alone on stdout', async (t) => {
  const link = {
    url: 'https://us-east-1.console.aws.amazon.com/x',
    stack_name: 'countersign',
    template_url: 'https://b.s3.amazonaws.com/t',
  };
  const { env } = await startStandIn(t, {
    [`GET ${PATH}/link`]: { body: link },
    'GET /v1/connections/other/link': problem(409, 'template_url_missing', 'None.', 'Use the template.'),
  });
  const ended = await cli(['connection', 'link', CONNECTION], env);
  t.equal(ended.stdout, `${link.url}\n`);
  t.same((await cli(['connection', 'link', CONNECTION, '--json'], env)).json(), link);
  t.match(await cli(['connection', 'link', 'other'], env), {
    code: 1,
    stderr: /template_url_missing\]\nhint: Use the template\./,
  });
});

t.test('template: as it came, by format, to a file', async (t) => {
  const { env, calls, folder } = await startStandIn(t, {
    [`GET ${PATH}/template`]: { body: 'A: 1\n' },
    'GET /v1/template': { body: '{"A":1}' },
  });
  t.equal((await cli(['connection', 'template', CONNECTION], env)).stdout, 'A: 1\n');
  t.equal((await cli(['connection', 'template', '--json'], env)).stdout, '{"A":1}\n');
  const file = join(folder, 't.yaml');
  t.match(await cli(['connection', 'template', CONNECTION, '--out', file], env), {
    code: 0,
    stdout: '',
    stderr: `Written to ${file}.\n`,
  });
  t.equal(readFileSync(file, 'utf8'), 'A: 1\n');
  t.strictSame(
    calls.map(({ query }) => query.format),
    ['yaml', 'json', 'yaml'],
  );
});

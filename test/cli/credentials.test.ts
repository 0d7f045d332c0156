// `credentials`: the audience asked for, the body sent, and the three shapes.
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli, CONNECTION, ISSUER, problem, startStandIn } from './stand-in.ts';

const CREDENTIALS = {
  ...{
    AccessKeyId: 'ASIAEXAMPLE',
    SecretAccessKey: "s/e+c'ret",
    Token: 'tok$en`x`',
    Expiration: '2026-11-21T10:00:00Z',
  },
  ...{ AccountId: '123456789012', RoleArn: 'arn:aws:iam::123456789012:role/x' },
};

const routes = {
  [`POST /v1/connections/${CONNECTION}/credentials`]: { body: CREDENTIALS },
  'POST /v1/connections/acme-prod/credentials': { body: CREDENTIALS },
};

t.test('by id with a token for that connection alone; by reference with one for those granted', async (t) => {
  const { env, tokens, calls } = await startStandIn(t, routes);
  const byId = await cli(['credentials', CONNECTION], env);
  t.equal(byId.code, 0, byId.stderr);
  t.same(byId.json(), CREDENTIALS, 'the container shape unless another is asked for');
  t.same((await cli(['credentials', 'acme-prod', '--json'], env)).json(), CREDENTIALS);
  t.strictSame(
    tokens.map(({ form }) => [form.resource, form.scope]),
    [
      [`${ISSUER}/v1/connections/${CONNECTION}/credentials`, undefined],
      [`${ISSUER}/v1/credentials`, undefined],
    ],
  );
  t.strictSame(
    calls.map(({ body }) => body),
    [{}, {}],
  );
});

t.test('purpose, duration, session policy', async (t) => {
  const { env, calls, folder } = await startStandIn(t, routes);
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }] };
  writeFileSync(join(folder, 'deny.json'), JSON.stringify(policy));
  await cli(
    [
      'credentials',
      CONNECTION,
      '--purpose',
      'report',
      '--duration-seconds',
      '900',
      '--session-policy',
      join(folder, 'deny.json'),
    ],
    env,
  );
  t.strictSame(calls[0]?.body, { purpose: 'report', duration_seconds: 900, session_policy: policy });
  t.match(await cli(['credentials', CONNECTION, '--duration-seconds', '60'], env), { code: 2, stderr: /900 to 43200/ });
});

const OTHERS = {
  ...{ AWS_PROFILE: 'prod', AWS_DEFAULT_PROFILE: 'prod', AWS_REGION: 'us-west-2', AWS_DEFAULT_REGION: 'us-west-1' },
  ...{ AWS_BEARER_TOKEN_BEDROCK: 'other', 'AWS_BEARER_TOKEN_$(exit 3)': 'no name of a shell' },
  ...{ AWS_SECURITY_TOKEN: 'other', AWS_ACCOUNT_ID: '999999999999', AWS_CREDENTIAL_SCOPE: 'us-west-2' },
};

t.test(
  '--format env: a shell gets exactly what was handed out, and nothing of what was there wins over it',
  async (t) => {
    const Region = "eu-no'rth-1";
    const shell = async (body: object): Promise<unknown> => {
      const { env } = await startStandIn(t, { [`POST /v1/connections/${CONNECTION}/credentials`]: { body } });
      const { stdout } = await cli(['credentials', CONNECTION, '--format', 'env'], { ...OTHERS, ...env });
      const print = `'${process.execPath}' -p 'JSON.stringify(process.env)'`;
      const shown = execFileSync('sh', ['-euc', `eval "$GIVEN"\n${print}`], {
        encoding: 'utf8',
        env: { ...OTHERS, GIVEN: stdout },
      });
      return Object.fromEntries(
        Object.entries(JSON.parse(shown) as Record<string, string>).filter(([name]) => name.startsWith('AWS_')),
      );
    };
    const keys = {
      ...{ AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE', AWS_SECRET_ACCESS_KEY: CREDENTIALS.SecretAccessKey },
      ...{ AWS_SESSION_TOKEN: CREDENTIALS.Token, AWS_CREDENTIAL_EXPIRATION: '2026-11-21T10:00:00Z' },
    };
    t.same(await shell({ ...CREDENTIALS, Region }), { ...keys, AWS_REGION: Region, AWS_DEFAULT_REGION: Region });
    const { AWS_REGION, AWS_DEFAULT_REGION } = OTHERS;
    t.same(await shell(CREDENTIALS), { ...keys, AWS_REGION, AWS_DEFAULT_REGION }, 'an older service names no region');
  },
);

t.test('--format env: where there are no keys, a shell does not go on in the account of before', async (t) => {
  const { env } = await startStandIn(t, {
    'POST /v1/connections/closed/credentials': problem(403, 'workload_suspended', 'This workload is suspended.'),
  });
  for (const argv of [
    ['closed', '--format', 'env'],
    ['closed', '--format=env', '--json'],
    ['closed', '--duration-seconds', '60', '--format', 'env'],
  ]) {
    const { code, stdout } = await cli(['credentials', ...argv], env);
    t.not(code, 0, argv.join(' '));
    const script = 'eval "$GIVEN" && echo ran; keys=$GIVEN && eval "$keys" && echo ran';
    const { stdout: said } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env: { GIVEN: stdout } });
    t.equal(said, '', argv.join(' '));
  }
  const asked = ['credentials', 'closed', '--purpose', 'env'];
  t.match(await cli(asked, env), { code: 1, stdout: '' }, 'nor does it say more to who evaluates nothing');
});

t.test('--format credential-process: as AWS CLIs read it', async (t) => {
  const { env } = await startStandIn(t, routes);
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = CREDENTIALS;
  t.strictSame((await cli(['credentials', CONNECTION, '--format', 'credential-process'], env)).json(), {
    Version: 1,
    AccessKeyId,
    SecretAccessKey,
    SessionToken: Token,
    Expiration,
  });
  t.match(await cli(['credentials', CONNECTION, '--format', 'toml'], env), {
    code: 2,
    stderr: /json, env, credential-process/,
  });
});

t.test('credentials are never in --verbose', async (t) => {
  const { env } = await startStandIn(t, routes);
  const { stderr } = await cli(['credentials', CONNECTION, '--verbose'], env);
  t.match(stderr, '-> 200');
  t.notMatch(stderr, /s\/e\+c|tok\$en|issued-token/);
});

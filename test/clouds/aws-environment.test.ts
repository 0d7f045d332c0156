// The STS door is closed to the environment: whatever AWS_*, proxy or TLS variable is set, the call arrives right and unsigned.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { ASSUMED, IDENTITY, startFakeSts } from './fake-sts.ts';

const FIXTURE = join(import.meta.dirname, 'fixtures/one-call.ts');
const run = promisify(execFile);

interface Outcome {
  outcomes: string[];
  looked: string[];
  endpoint: string;
}

async function callFrom(environment: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...environment };
  const { stdout } = await run(process.execPath, [FIXTURE, ...args], { env, timeout: 30_000 });
  return JSON.parse(stdout) as Outcome;
}

function hostileFiles(): Record<string, string> {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-aws-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const lines = [
    'region = mars-north-1',
    'endpoint_url = http://127.0.0.1:9',
    'use_fips_endpoint = true',
    'use_dualstack_endpoint = true',
    'defaults_mode = auto',
    'retry_mode = adaptive',
    'max_attempts = nonsense',
    'sdk_ua_app_id = from-profile',
    'auth_scheme_preference = sigv4',
    'credential_process = /bin/false',
  ].join('\n');
  const file = join(dir, 'config');
  writeFileSync(
    file,
    ['default', 'profile hostile', 'profile countersign'].map((name) => `[${name}]\n${lines}\n`).join('\n'),
  );
  return { AWS_CONFIG_FILE: file, AWS_SHARED_CREDENTIALS_FILE: file };
}

const ONE_BY_ONE: Record<string, string>[] = [
  { AWS_USE_FIPS_ENDPOINT: 'true' },
  { AWS_USE_DUALSTACK_ENDPOINT: 'true' },
  { AWS_DEFAULTS_MODE: 'auto', AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs', AWS_REGION: 'mars-north-1' },
  { AWS_DEFAULTS_MODE: 'nonsense' },
  { AWS_AUTH_SCHEME_PREFERENCE: 'sigv4,sigv4a' },
  { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:9' },
  { AWS_RETRY_MODE: 'adaptive', AWS_MAX_ATTEMPTS: '1' },
  { AWS_PROFILE: 'hostile' },
  {
    HTTP_PROXY: 'http://127.0.0.1:9',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
    NODE_USE_ENV_PROXY: '1',
  },
  {
    AWS_ACCESS_KEY_ID: 'AKIAENVIRONMENT',
    AWS_SECRET_ACCESS_KEY: 'environment-secret',
    AWS_SESSION_TOKEN: 'environment-token',
  },
  { AWS_WEB_IDENTITY_TOKEN_FILE: '/nonexistent', AWS_ROLE_ARN: 'arn:aws:iam::999999999999:role/other' },
  { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:9/' },
  { AWS_SIGV4A_SIGNING_REGION_SET: '*', AWS_STS_REGIONAL_ENDPOINTS: 'legacy', AWS_SDK_UA_APP_ID: 'environment-app' },
  { AWS_LAMBDA_FUNCTION_NAME: 'f', _X_AMZN_TRACE_ID: 'environment-trace' },
];

t.test('each variable by itself, and all of them', async (t) => {
  const files = hostileFiles();
  for (const environment of [
    ...ONE_BY_ONE.map((each) => ({ ...each, ...files })),
    Object.assign({}, ...ONE_BY_ONE, files),
  ]) {
    const name = Object.keys(environment).join(' ').slice(0, 80);
    const fake = await startFakeSts(t, [{ reset: true }, { body: ASSUMED }, { body: IDENTITY }]);
    const { outcomes, looked } = await callFrom(environment, fake.url);
    t.same({ outcomes, looked }, { outcomes: ['ok', 'ok'], looked: [] }, name);
    // The first attempt met a reset: the retry is ours to decide as well.
    const [, assume, identity] = fake.received;
    t.same(
      [assume?.method, assume?.url, assume?.form.get('WebIdentityToken')],
      ['POST', '/', 'token-one'],
      `${name}: arrives right`,
    );
    t.equal(assume?.headers.authorization, undefined, `${name}: unsigned`);
    t.equal(assume?.headers['x-amz-security-token'], undefined, `${name}: without a session`);
    t.match(
      identity?.headers.authorization,
      /^AWS4-HMAC-SHA256 Credential=ASIAEXPLICIT\/\d{8}\/eu-west-1\//,
      `${name}: signed with what was given`,
    );
    const sent = JSON.stringify([assume, identity, [...(assume?.form ?? [])]]);
    t.notMatch(
      sent,
      /environment|AKIAENVIRONMENT|AWS_Lambda|from-profile|mars/,
      `${name}: nothing of the environment is sent`,
    );
  }
});

t.test("without a sandbox, the name looked up is the region's own", async (t) => {
  const files = hostileFiles();
  const hostile: Record<string, string> = Object.assign({}, ...ONE_BY_ONE, files);
  const regions = {
    'eu-west-1': 'amazonaws.com',
    'us-east-1': 'amazonaws.com',
    'cn-north-1': 'amazonaws.com.cn',
    'us-gov-west-1': 'amazonaws.com',
    'eusc-de-east-1': 'amazonaws.eu',
  };
  for (const [region, suffix] of Object.entries(regions)) {
    const { looked, endpoint, outcomes } = await callFrom(hostile, '', region);
    t.equal(endpoint, `https://sts.${region}.${suffix}`);
    t.same([...new Set(looked)], [`sts.${region}.${suffix}`], region);
    t.match(outcomes, [/^Unreachable/, /^Unreachable/]);
  }
});

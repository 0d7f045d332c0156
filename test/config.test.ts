// The environment: what is read, and every problem at once, each by variable name with what to do.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readConfig, socketPath } from '../src/config.ts';
import { createId } from '../src/ids.ts';
import { issuerUrlOf } from '../src/issuers/documents.ts';
import { tempDir } from './support/service.ts';

const production = {
  ISSUER_URL: 'https://id.example.com',
  INTERNAL_URL: 'https://internal.example.com',
  INTERNAL_PORT: '8081',
  KEY_ENCRYPTION_KEY_FILE: '/run/secrets/kek',
};

function problemsOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return (error as { problems: string[] }).problems;
  }
}

t.test('production and development', async (t) => {
  const config = readConfig(production);
  t.match(config, {
    issuerUrl: 'https://id.example.com',
    internalUrl: 'https://internal.example.com',
    port: 8080,
    internalPort: 8081,
    shared: false,
    loopback: false,
    mayCreateKek: false,
  });
  t.same([...config.publicHosts], ['id.example.com', 'id.example.com:443']);
  t.notOk(
    config.publicHosts.has('internal.example.com'),
    'a name of the internal listener is foreign to the public one',
  );
  t.match(readConfig({ ISSUER_URL: 'http://127.0.0.1:8080' }), {
    shared: true,
    loopback: true,
    port: 8080,
    internalPort: 8080,
    mayCreateKek: true,
    internalUrl: 'http://127.0.0.1:8080',
  });
  t.equal(
    readConfig({ ISSUER_URL: 'http://127.0.0.1:8080', DATABASE_URL: 'postgres://x/y' }).mayCreateKek,
    false,
    'no key is made beside a shared database',
  );
  t.same(
    readConfig({ ...production, ALLOWED_HOSTS: 'id.alias.example,10.0.0.7:8080' }).publicHosts.has('10.0.0.7:8080'),
    true,
  );
  t.equal(readConfig({ ...production, KEY_POLICY_PERIOD_SECONDS: '1209600' }).keyPolicy.period, 14 * 86_400_000);
});

t.test('every problem, by name', async (t) => {
  const long = `https://${'h'.repeat(60)}.${'o'.repeat(60)}.${'s'.repeat(60)}.${'t'.repeat(32)}`;
  t.equal(issuerUrlOf(long, createId('is')).length, 255, 'as much as IAM takes');
  t.same(problemsOf({ ...production, ISSUER_URL: long }), []);
  const refused: [string, Record<string, string>, RegExp][] = [
    ['nothing', {}, /^ISSUER_URL is missing/],
    ['http', { ...production, ISSUER_URL: 'http://id.example.com' }, /^ISSUER_URL must be https/],
    ['a port', { ...production, ISSUER_URL: 'https://id.example.com:8443' }, /^ISSUER_URL must not name a port/],
    ['a path', { ...production, ISSUER_URL: 'https://id.example.com/x' }, /^ISSUER_URL is not valid/],
    ['an issuer too long for IAM', { ...production, ISSUER_URL: `${long}x` }, /^ISSUER_URL is not valid: .* 223 char/],
    ['internal http', { ...production, INTERNAL_URL: 'http://internal.example.com' }, /^INTERNAL_URL must be https/],
    ['no internal url', { ...production, INTERNAL_URL: '' }, /^INTERNAL_URL is missing/],
    ['no internal port', { ...production, INTERNAL_PORT: '' }, /^INTERNAL_PORT is missing/],
    ['one port for both', { ...production, INTERNAL_PORT: '8080' }, /^INTERNAL_PORT must differ/],
    ['no KEK', { ...production, KEY_ENCRYPTION_KEY_FILE: '' }, /^KEY_ENCRYPTION_KEY_FILE is missing/],
    [
      'the sandbox in production',
      { ...production, STS_ENDPOINT_URL: 'http://127.0.0.1:9000' },
      /^STS_ENDPOINT_URL is for the sandbox/,
    ],
    [
      'a sandbox elsewhere',
      { ISSUER_URL: 'http://127.0.0.1:1', STS_ENDPOINT_URL: 'https://sts.evil.example' },
      /^STS_ENDPOINT_URL is for the sandbox/,
    ],
    ['a port that is none', { ...production, PORT: '80a' }, /^PORT is not valid/],
    ['a level', { ...production, LOG_LEVEL: 'loud' }, /^LOG_LEVEL is not valid: it is fatal, error/],
    ['a database', { ...production, DATABASE_URL: 'mysql://x' }, /^DATABASE_URL is not valid/],
    ['a proxy', { ...production, TRUST_PROXY: 'all' }, /^TRUST_PROXY is not valid/],
    ['egress to everybody', { ...production, EGRESS_ALLOW_CIDRS: '0.0.0.0/0' }, /^EGRESS_ALLOW_CIDRS: .* is everybody/],
    ['egress to itself', { ...production, EGRESS_ALLOW_CIDRS: '126.0.0.0/7' }, /^EGRESS_ALLOW_CIDRS names loopback/],
    [
      'a template over http',
      { ...production, TEMPLATE_URL: 'http://b.s3.amazonaws.com/t.yaml' },
      /^TEMPLATE_URL must be https/,
    ],
    [
      'a socket',
      { ISSUER_URL: 'http://127.0.0.1:1', SOCKET_PATH: `/tmp/${'x'.repeat(100)}` },
      /^SOCKET_PATH: .* longer than 103 bytes/,
    ],
    [
      'the arithmetic',
      { ...production, KEY_POLICY_PERIOD_SECONDS: '345602' },
      /^KEY_POLICY_\*: the period must be above A \+ D \+ e/,
    ],
    [
      'a secret twice',
      { ...production, DATABASE_URL: 'postgres://x/y', DATABASE_URL_FILE: '/nowhere' },
      /^DATABASE_URL and DATABASE_URL_FILE are both set/,
    ],
    ['a secret file', { ...production, DATABASE_URL_FILE: '/nowhere' }, /^DATABASE_URL_FILE: \/nowhere cannot be read/],
  ];
  for (const [name, env, expected] of refused) {
    const problems = problemsOf(env);
    t.ok(
      problems.some((line) => expected.test(line)),
      `${name}: ${problems.join(' | ')}`,
    );
  }
  t.equal(
    problemsOf({ ...production, PORT: 'x', LOG_LEVEL: 'loud', INTERNAL_URL: 'http://x.example' }).length,
    3,
    'all at once',
  );
});

t.test('a secret from a file', async (t) => {
  const file = join(tempDir(t), 'url');
  writeFileSync(file, 'postgres://user:secret@db/x\n');
  t.match(readConfig({ ...production, DATABASE_URL_FILE: file }).database?.service, {
    ...{ host: 'db', port: 5432, user: 'user', password: 'secret', database: 'x' },
  });
});

t.test("the socket's path follows from DATA_DIR, there or not", async (t) => {
  const dir = tempDir(t);
  const path = socketPath({ DATA_DIR: dir, XDG_RUNTIME_DIR: '/run/user/1' });
  t.match(path, /^\/run\/user\/1\/countersign-\d+\/[0-9a-f]{8}\.sock$/);
  t.equal(socketPath({ DATA_DIR: `${dir}/../${dir.split('/').pop()}`, XDG_RUNTIME_DIR: '/run/user/1' }), path);
  t.not(socketPath({ DATA_DIR: join(dir, 'not-there'), XDG_RUNTIME_DIR: '/run/user/1' }), path);
  t.equal(socketPath({ SOCKET_PATH: '/run/x.sock', DATA_DIR: dir }), '/run/x.sock');
});

// `countersign doctor --clients` and `--connection`: which credentials clients take, what they are given, and whose fault it is.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkClientTls } from '../../src/cli/doctor/clients/checks.ts';
import { findContainerFaults, mayCarryTokens } from '../../src/cli/doctor/clients/container.ts';
import { parseBotoKeys, parseEc2Keys, parseProfiles } from '../../src/cli/doctor/clients/profiles.ts';
import { chooseSource, type Client, CLIENTS } from '../../src/cli/doctor/clients/sources.ts';
import type { Report } from '../../src/cli/doctor/findings.ts';
import { createAsk } from '../../src/reach/stranger.ts';
import { makeCertificate } from '../support/certificates.ts';
import { ROWS } from './sources.ts';
import { CONNECTION, cli, listen, problem, startStandIn, temporaryFolder } from './stand-in.ts';

const paths = { config: '~/.aws/config', credentials: '~/.aws/credentials' };
interface Files {
  config?: string;
  credentials?: string;
  ec2?: string;
  boto?: string;
}

const read = ({ config = '', credentials = '', ec2, boto }: Files, env: Record<string, string> = {}) => {
  const path = env['AWS_CREDENTIAL_FILE'];
  return {
    ...{ config: parseProfiles(config, 'config'), credentials: parseProfiles(credentials, 'credentials'), paths },
    older: {
      ec2: path === undefined ? undefined : { path, has: ec2 === undefined ? undefined : parseEc2Keys(ec2) },
      boto: boto === undefined ? undefined : { path: '~/.boto', has: parseBotoKeys(boto) },
    },
  };
};

t.test('each client takes what its own order says', async (t) => {
  for (const { name, env = {}, boto3, cli: awsCli = boto3, javascript, go, ...files } of ROWS) {
    const outcomes: Record<Client, string> = { 'aws-cli': awsCli, boto3, javascript, go };
    for (const client of Object.keys(CLIENTS) as Client[]) {
      const { source, fault, because } = chooseSource(client, env, read(files, env));
      t.equal(fault === undefined ? source : 'fails', outcomes[client], `${client}: ${name}`);
      t.equal(because.endsWith('by EKS Pod Identity'), name.startsWith('EKS'), `${client}: whose ${name} is`);
    }
  }
});

t.test('what is passed over is said, and how it is let through', async (t) => {
  const env = {
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://[::1]/',
  };
  t.match(chooseSource('go', env, read({})), {
    source: 'keys',
    undo: /^unset AWS_ACCESS_KEY_ID/,
    later: ['container'],
  });
  const files = read({ credentials: '[default]\naws_access_key_id=a\naws_secret_access_key=very-secret\n' });
  t.notMatch(JSON.stringify(files), 'very-secret');
  t.match(chooseSource('javascript', {}, files), { because: /profile default in ~\/\.aws/, undo: /AWS_PROFILE/ });
});

const FULL = 'AWS_CONTAINER_CREDENTIALS_FULL_URI';
const TOKEN = 'AWS_CONTAINER_AUTHORIZATION_TOKEN';
const jwt = (exp: number): string =>
  `Bearer ${['{}', JSON.stringify({ exp }), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.')}`;

t.test('faults of the variables of containers are seen before anybody is asked', async (t) => {
  const faultsOf = (env: Record<string, string>, file?: string) =>
    findContainerFaults('javascript', env, () => file, 1_000_000).map(({ detail }) => detail);
  const agent = { [FULL]: 'http://127.0.0.1:1/x', [TOKEN]: 'opaque' };
  t.same(faultsOf(agent), []);
  t.same(faultsOf({ ...agent, [TOKEN]: jwt(1001) }), []);
  t.match(faultsOf({ ...agent, [TOKEN]: jwt(1000) }), [/ended at 1970/]);
  t.match(faultsOf({ ...agent, [TOKEN]: 'x\n' }), [/line break/]);
  t.match(faultsOf({ [FULL]: 'http://127.0.0.1:1/x' }), [/No token/]);
  t.match(faultsOf({ ...agent, [`${TOKEN}_FILE`]: '/t' }), [/\/t, which cannot be read/], 'the file wins');
  t.match(faultsOf({ ...agent, [`${TOKEN}_FILE`]: '/t' }, 'Bearer x\n'), [/\/t ends with a line break/]);
  t.match(faultsOf({ ...agent, [FULL]: 'http://countersign.internal/x' }), [/refuses http to countersign.internal/]);
  t.match(faultsOf({ ...agent, [FULL]: 'no url' }), [/no URL/]);
  t.match(faultsOf({ ...agent, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/y' }), [/Both/]);
  const carried = ['https://a/', 'http://localhost/', 'http://127.1.2.3/', 'http://[::1]/', 'http://169.254.170.23/'];
  for (const url of carried) t.ok(mayCarryTokens(new URL(url)), url);
  for (const url of ['http://a/', 'http://127.0.0.1.example.com/', 'http://169.254.169.254/'])
    t.notOk(mayCarryTokens(new URL(url)), url);
});

t.test('a certificate of a private authority is for an agent, not for SDKs', async (t) => {
  const { cert, key } = makeCertificate({ commonName: 'localhost', names: ['localhost'] });
  const server = createServer({ cert, key }, (_request, response) => response.end());
  await listen(t, server, 0);
  const url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/v1/x`);
  const [ours, stranger] = [createAsk([cert]), createAsk()];
  t.match(await checkClientTls(url, [ours, ours]).look(), [{ code: 'client_tls', severity: 'ok' }]);
  t.match(await checkClientTls(url, [stranger, ours]).look(), [
    { severity: 'failure', detail: /private authority/, hint: /agent/ },
  ]);
  t.match(await checkClientTls(url, [stranger, stranger]).look(), [{ severity: 'failure', detail: /by TLS/ }]);
});

async function doctor(t: Test, argv: string[], env: Record<string, string>) {
  const HOME = temporaryFolder(t);
  const ended = await cli(['doctor', '--json', ...argv], { HOME, ...env });
  return {
    ...ended,
    findings: (ended.json() as Report).findings,
    unseen: (ended.json() as Report).not_looked_at,
    HOME,
  };
}

const HANDED = {
  AccessKeyId: 'A',
  SecretAccessKey: 'never-shown',
  Token: 'nor-this',
  Expiration: '2026-11-21T10:00:00Z',
};
const ROUTE = `/v1/connections/${CONNECTION}/credentials`;

t.test('--clients: four clients, the endpoint asked as they ask it, and no secret shown', async (t) => {
  const standIn = await startStandIn(t, { [`GET ${ROUTE}`]: { body: HANDED } });
  const agent = { [FULL]: `${standIn.url}${ROUTE}`, [TOKEN]: 'Bearer shown-to-nobody' };
  const { code, findings, stdout } = await doctor(t, ['--clients'], agent);
  t.equal(code, 0);
  t.same(findings.map((finding) => finding.code).sort(), [
    ...['client_aws_cli', 'client_boto3', 'client_endpoint', 'client_go', 'client_javascript'],
  ]);
  t.match(standIn.calls, [{ headers: { authorization: 'Bearer shown-to-nobody' } }]);
  t.notMatch(stdout, /shown-to-nobody|never-shown|nor-this/);

  const passed = await doctor(t, ['--clients'], { ...agent, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' });
  t.equal(passed.code, 5);
  t.match(passed.findings[0], { severity: 'warning', detail: /passed over/, hint: /unset AWS_ACCESS_KEY_ID/ });
  const refusing = await startStandIn(t, {
    [`GET ${ROUTE}`]: problem(403, 'sts_refused', 'AWS refused: AccessDenied.', 'Mend the trust.'),
  });
  const refused = await doctor(t, ['--clients'], { ...agent, [FULL]: `${refusing.url}${ROUTE}` });
  t.match(refused.findings[0], {
    ...{ code: 'client_endpoint', severity: 'failure', hint: 'Mend the trust.' },
    detail: /403.*sts_refused, of the trust/,
  });
  const away = await doctor(t, ['--clients'], { ...agent, [FULL]: 'http://127.0.0.1:1/x' });
  t.match(away.findings[0], { code: 'client_endpoint', severity: 'failure', hint: /agent.*FULL_URI/ });
  const unsafe = await doctor(t, ['--clients'], { ...agent, [FULL]: 'http://countersign.internal.example/x' });
  t.notOk(
    unsafe.findings.some((finding) => finding.code === 'client_endpoint'),
    'a token goes nowhere by http',
  );
  t.equal(unsafe.code, 1);
});

t.test('--clients: certificates are looked at, of the service and of what clients ask', async (t) => {
  const { cert, key } = makeCertificate({ commonName: 'localhost', names: ['localhost'] });
  const server = createServer({ cert, key }, (_request, response) => response.end());
  await listen(t, server, 0);
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const env = { [FULL]: `${url}${ROUTE}`, [TOKEN]: 'Bearer shown-to-nobody', COUNTERSIGN_URL: url };
  const { code, findings } = await doctor(t, ['--clients'], env);
  t.equal(code, 1);
  const severities = Object.fromEntries(findings.map(({ code: each, severity }) => [each, severity]));
  t.match(severities, { client_tls: 'failure', internal_certificate: String });
});

t.test('--clients reads the files that clients read', async (t) => {
  const HOME = temporaryFolder(t);
  mkdirSync(join(HOME, '.aws'));
  writeFileSync(join(HOME, '.aws/credentials'), '[default]\naws_access_key_id=a\naws_secret_access_key=very-secret\n');
  const { findings, stdout } = await doctor(t, ['--clients'], { HOME });
  t.match(
    findings.map(({ detail }) => detail),
    Array.from({ length: 4 }, () => new RegExp(join(HOME, '.aws/credentials'))),
  );
  t.notMatch(stdout, 'very-secret');
});

t.test(
  "--clients reads what botocore alone reads of older tools, and says how a container's are let through",
  async (t) => {
    const HOME = temporaryFolder(t);
    const keys = (id: string, secret: string): string => `${id}=a\n${secret}=very-secret\n`;
    writeFileSync(join(HOME, '.boto'), `[Credentials]\n${keys('aws_access_key_id', 'aws_secret_access_key')}`);
    writeFileSync(join(HOME, 'ec2'), keys('AWSAccessKeyId', 'AWSSecretKey'));
    const agent = { HOME, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x', AWS_CONTAINER_AUTHORIZATION_TOKEN: 'x\n' };
    const boto3 = async (env: Record<string, string> = {}) => {
      const { findings, stdout } = await doctor(t, ['--clients'], { ...agent, ...env });
      t.notMatch(stdout, 'very-secret');
      return findings.find(({ code }) => code === 'client_boto3');
    };
    t.match(await boto3(), {
      severity: 'warning',
      detail: /\/\.boto has them.*passed over/,
      hint: /BOTO_CONFIG=\/dev\/null/,
    });
    t.match(await boto3({ AWS_CREDENTIAL_FILE: join(HOME, 'ec2') }), { detail: /\/ec2 has them.*passed over/ });
    t.match(await boto3({ AWS_CREDENTIAL_FILE: join(HOME, 'x') }), {
      severity: 'failure',
      detail: /\/x cannot be read/,
    });
    t.match(await boto3({ BOTO_CONFIG: '/dev/null' }), { detail: /takes container credentials/ });
  },
);

t.test('--connection: the step that fails is named, with what to do', async (t) => {
  const cases: [string, string, number][] = [
    ['invalid_token', 'connection_workload', 401],
    ['workload_suspended', 'connection_workload', 403],
    ['not_found', 'connection_grant', 404],
    ['duration_exceeds_limit', 'connection_grant', 403],
    ['connection_not_active', 'connection_connection', 409],
    ['sts_refused', 'connection_trust', 403],
    ['sts_throttled', 'connection_aws', 503],
    ['sealed', 'connection_service', 503],
  ];
  for (const [name, code, status] of cases) {
    const live = { 'GET /livez': { body: {} } };
    const standIn = await startStandIn(t, { ...live, [`POST ${ROUTE}`]: problem(status, name, 'A sentence.') });
    const { findings } = await doctor(t, ['--connection', CONNECTION, '--purpose', 'report'], standIn.env);
    t.match(findings[0], {
      ...{ code, severity: 'failure', hint: /./, subject: CONNECTION },
      detail: new RegExp(`A sentence\\. \\(${name}, request rq_problem\\)`),
    });
    t.match(standIn.calls.at(-1)?.body ?? {}, { purpose: 'report' });
  }
  const refused = await startStandIn(
    t,
    {},
    {
      refuseToken: { status: 400, body: { error: 'invalid_target', error_description: 'no grant lets it' } },
    },
  );
  t.match(
    (await doctor(t, ['--connection', CONNECTION], refused.env)).findings.find(({ subject }) => subject === CONNECTION),
    {
      ...{ code: 'connection_grant', severity: 'failure', hint: /grants/ },
    },
  );
  const good = await startStandIn(t, {
    ...{ 'GET /livez': { body: {} }, [`POST ${ROUTE}`]: { body: { ...HANDED, RoleArn: 'arn:aws:iam::1:role/x' } } },
  });
  const { code, findings, stdout } = await doctor(t, ['--connection', CONNECTION], good.env);
  t.equal(code, 0);
  t.ok(
    findings.some((finding) => finding.code === 'connection_credentials' && /role\/x until 2026/.test(finding.detail)),
  );
  t.notMatch(stdout, /never-shown|nor-this/);
  const { unseen } = await doctor(t, ['--connection', CONNECTION], {});
  t.match(unseen, [{ code: 'connection', hint: /COUNTERSIGN_CLIENT_ID/ }]);
});

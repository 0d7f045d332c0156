// `exec`: the child's environment, its session from an agent or as keys, its streams, signals and end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type CertificateOptions, makeCertificate } from '../support/certificates.ts';
import { type Running, startCommand } from '../support/command.ts';
import { until } from '../support/until.ts';
import { listen, problem, startStandIn, temporaryFolder } from './stand-in.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const inSeconds = (seconds: number): string => `${new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19)}Z`;
const hour = (): string => inSeconds(3600);

async function start(t: Test) {
  const standIn = await startStandIn(t, {
    'POST /v1/connections/acme/credentials': () => ({
      body: { AccessKeyId: 'ASIAX', SecretAccessKey: 'sekret', Token: 'tok', Expiration: hour(), Region: 'eu-north-1' },
    }),
    'POST /v1/connections/late/credentials': (_received, nth) =>
      nth === 0
        ? problem(503, 'sts_unavailable', 'STS does not answer.')
        : { body: { AccessKeyId: 'ASIALATE', SecretAccessKey: 'sekret', Token: 'tok', Expiration: hour() } },
    'POST /v1/connections/broken/credentials': () => problem(502, 'sts_misconfigured', 'Our token is not taken.'),
    'POST /v1/connections/page/credentials': () => ({ status: 404, body: '<html>' }),
    // About to end, so it is asked for anew.
    'POST /v1/connections/slow/credentials': (_received, nth) =>
      nth === 0
        ? { body: { AccessKeyId: 'ASIASLOW', SecretAccessKey: 'sekret', Token: 'tok', Expiration: inSeconds(30) } }
        : new Promise(() => {}),
    'POST /v1/connections/closed/credentials': () => problem(403, 'sts_refused', 'AWS says no.', 'Mend the trust.'),
  });
  const run = (argv: string[], env: Record<string, string> = {}) =>
    startCommand(t, ['exec', ...argv], { ...standIn.env, ...env });
  const node = (script: string): string[] => ['--', process.execPath, '-e', script];
  return { ...standIn, run, node };
}

/** Until the service was asked twice. */
async function askedAgain({ child, stderr }: Running): Promise<string> {
  while (!/no session yet[^]*no session yet/.test(stderr())) await once(child.stderr as NodeJS.EventEmitter, 'data');
  return 'it is asked for again';
}

// Whatever would win over the session, or lead elsewhere.
const MISLEADING = {
  ...{
    AWS_ACCESS_KEY_ID: 'AKIAOTHER',
    AWS_SECRET_ACCESS_KEY: 'other',
    AWS_SESSION_TOKEN: 'other',
    AWS_CREDENTIAL_EXPIRATION: '2020-01-01T00:00:00Z',
    AWS_ACCESS_KEY: 'AKIAOTHER',
    AWS_SECRET_KEY: 'other',
    AWS_SECURITY_TOKEN: 'o',
    AWS_CREDENTIAL_SCOPE: 'other',
    AWS_ACCOUNT_ID: '999999999999',
    AWS_CREDENTIAL_FILE: '/home/x/ec2',
    BOTO_CONFIG: '/home/x/boto.cfg',
  },
  ...{
    AWS_PROFILE: 'prod',
    AWS_DEFAULT_PROFILE: 'prod',
    AWS_ROLE_ARN: 'arn:aws:iam::1:role/x',
    AWS_ROLE_SESSION_NAME: 'x',
  },
  ...{ AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/x', AWS_SHARED_CREDENTIALS_FILE: '/home/x/credentials' },
  ...{ AWS_CONFIG_FILE: '/home/x/config', AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x', AWS_BEARER_TOKEN_BEDROCK: 'x' },
  ...{ AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/x', AWS_REGION: 'us-west-2', AWS_DEFAULT_REGION: 'us-west-1' },
};
const KEPT = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_CA_BUNDLE: 'ca.pem', LANG: 'C' };
const PRINT = 'console.log(JSON.stringify(process.env))';

t.test('the session comes from an agent of its own, and nothing stands before it', async (t) => {
  const { run, node } = await start(t);
  const fetching = `const e = process.env;
    const get = (authorization) => fetch(e.AWS_CONTAINER_CREDENTIALS_FULL_URI, { headers: { authorization } }).then((a) => a.json());
    Promise.all([get(e.AWS_CONTAINER_AUTHORIZATION_TOKEN), get('Bearer x')]).then((answers) => console.log(JSON.stringify([e, ...answers])))`;
  const running = run(['acme', '--purpose', 'report', ...node(fetching)], { ...MISLEADING, ...KEPT });
  t.same(await running.ended, { code: 0, signal: null });
  const [env, given, refused] = JSON.parse(running.stdout());
  t.match(given, { AccessKeyId: 'ASIAX', Token: 'tok' });
  t.match(refused, { Code: 'unauthenticated' });
  t.match(env, { ...KEPT, AWS_REGION: 'eu-north-1', AWS_DEFAULT_REGION: 'eu-north-1' });
  t.match(
    env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
    /^http:\/\/127\.0\.0\.1:\d+\/v1\/connections\/acme\/credentials\?purpose=report$/,
  );
  t.same(
    Object.keys(env)
      .filter((name) => /^(AWS|BOTO|COUNTERSIGN)_/.test(name))
      .sort(),
    [
      ...[
        'AWS_CA_BUNDLE',
        'AWS_CONFIG_FILE',
        'AWS_CONTAINER_AUTHORIZATION_TOKEN',
        'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      ],
      ...['AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL', 'AWS_REGION', 'AWS_SHARED_CREDENTIALS_FILE'],
      'BOTO_CONFIG',
    ],
  );
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'BOTO_CONFIG']) t.equal(env[name], '/dev/null');
  t.equal(running.stderr(), '', 'nothing of ours among the words of the command');
  const url = new URL(env.AWS_CONTAINER_CREDENTIALS_FULL_URI);
  await t.rejects(fetch(url), 'its agent ended with it');
});

t.test('the bearer that a command gets opens the session that it was started with, and no other', async (t) => {
  const { run, node, calls } = await start(t);
  const script = `const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization } = process.env;
    const others = [uri.replace("acme", "late"), uri.replace("report", "deploy"), uri.replace("purpose=report&", ""),
      uri.replace("900", "43200"), uri.replace(/&duration.*/, "")];
    const get = (url) => fetch(url, { headers: { authorization } }).then(async (a) => [a.status, await a.json()]);
    Promise.all([uri, ...others].map(get)).then((answers) => console.log(JSON.stringify(answers)))`;
  const running = run(['acme', '--purpose', 'report', '--duration-seconds', '900', ...node(script)]);
  t.same(await running.ended, { code: 0, signal: null }, running.stderr());
  const [own, ...others] = JSON.parse(running.stdout()) as [number, Record<string, string>][];
  t.match(own, [200, { AccessKeyId: 'ASIAX' }]);
  t.equal(others.length, 5);
  for (const other of others)
    t.match(other, [404, { Code: 'not_found', Message: /started with, and no other\. .*FULL_URI/ }]);
  t.equal(calls.length, 1, 'the service is asked for none of them');
});

t.test('--static gives keys, and --region a region', async (t) => {
  const { run, node, calls } = await start(t);
  const running = run(
    ['acme', '--static', '--region', 'sa-east-1', '--duration-seconds', '900', ...node(PRINT)],
    MISLEADING,
  );
  await running.ended;
  const env = JSON.parse(running.stdout());
  t.ok(Date.parse(env.AWS_CREDENTIAL_EXPIRATION) > Date.now(), 'that of the session');
  t.same(
    Object.fromEntries(Object.entries(env).filter(([name]) => /^(AWS|COUNTERSIGN)_/.test(name))),
    {
      ...{ AWS_ACCESS_KEY_ID: 'ASIAX', AWS_SECRET_ACCESS_KEY: 'sekret', AWS_SESSION_TOKEN: 'tok' },
      ...{
        AWS_CREDENTIAL_EXPIRATION: env.AWS_CREDENTIAL_EXPIRATION,
        AWS_REGION: 'sa-east-1',
        AWS_DEFAULT_REGION: 'sa-east-1',
      },
      ...{ AWS_SHARED_CREDENTIALS_FILE: '/home/x/credentials', AWS_CONFIG_FILE: '/home/x/config' },
    },
    'keys win over the shared files, which may say other things',
  );
  t.same(calls[0]?.body, { duration_seconds: 900 });
});

t.test('--static waits for an outage, and says at once what waiting does not mend', async (t) => {
  const { run, node } = await start(t);
  const late = run(['late', '--static', ...node(PRINT)]);
  t.equal((await late.ended).code, 0, late.stderr());
  t.match(JSON.parse(late.stdout()), { AWS_ACCESS_KEY_ID: 'ASIALATE' });
  t.match(late.stderr(), /^STS does not answer\. \[sts_unavailable\] Waiting/);
  const broken = run(['broken', '--static', ...node(PRINT)]);
  t.equal((await broken.ended).code, 1);
  t.notMatch(broken.stderr(), /Waiting/);
});

t.test('its exit code is ours, and so is a signal', async (t) => {
  const { run, node } = await start(t);
  t.equal((await run(['acme', ...node('process.exit(7)')]).ended).code, 7);
  t.equal((await run(['acme', ...node("process.kill(process.pid, 'SIGKILL')")]).ended).code, 137);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const script = `process.on('${signal}', () => process.exit(42)); console.log('ready'); setInterval(() => {}, 1000)`;
    const running = run(['acme', ...node(script)]);
    while (!running.stdout().includes('ready')) await once(running.child.stdout as NodeJS.EventEmitter, 'data');
    running.child.kill(signal);
    t.equal((await running.ended).code, 42, `${signal} reached it`);
  }
});

t.test('it ends with its command, though its agent still asks for a session', async (t) => {
  const { run, node, calls } = await start(t);
  const script = `const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization } = process.env;
    process.on("SIGTERM", () => process.exit(0));
    fetch(uri, { headers: { authorization } })`;
  const running = run(['slow', ...node(script)]);
  t.ok(await until(() => calls.length === 2, 60_000), running.stderr());
  running.child.kill('SIGTERM');
  const late = delay(20_000, 'it still runs', { ref: false });
  t.same(await Promise.race([running.ended, late]), { code: 0, signal: null });
});

const terminal = process.platform === 'linux' ? {} : { skip: 'script(1) is another one elsewhere' };
t.test("a terminal's Ctrl-C reaches it once, wherever its input comes from", terminal, async (t) => {
  const { env } = await start(t);
  // What ours were to pass on would be there before what it sends itself through us.
  const count = `let n = 0;
    process.on("SIGINT", () => { if (++n === 1) process.kill(process.ppid, "SIGUSR2") });
    process.on("SIGUSR2", () => process.exit(40 + n));
    console.log("ready"); setInterval(() => {}, 1000)`;
  const line = `exec '${process.execPath}' '${MAIN}' exec acme -- '${process.execPath}' -e '${count}' < /dev/null`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { env: { PATH: process.env['PATH'], ...env } });
  t.teardown(() => child.kill('SIGKILL'));
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const ended = once(child, 'close');
  const isReady = async (): Promise<void> => {
    while (!shown.includes('ready')) await once(child.stdout, 'data');
  };
  await Promise.race([isReady(), ended]);
  child.stdin.write('\u0003');
  t.same(await ended, [41, null], shown);
});

t.test('a certificate that waiting does not mend is said at once; one out of its term is waited for', async (t) => {
  const authority = makeCertificate({ commonName: 'An authority' });
  const file = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(file, authority.cert);
  const run = async (certificate: Omit<CertificateOptions, 'commonName'>, env: Record<string, string> = {}) => {
    const own = makeCertificate({ commonName: 'The service', ...certificate, issuer: authority });
    const server = createServer({ cert: own.cert, key: own.key });
    await listen(t, server, 0);
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const who = { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: 'none', ...env };
    const running = startCommand(t, ['exec', 'acme', '--', process.execPath, '-e', PRINT], who);
    return { ...running, said: await Promise.race([running.ended, askedAgain(running)]) };
  };
  const [names, believed] = [['127.0.0.1'], { NODE_EXTRA_CA_CERTS: file }];
  const unknown = await run({ names });
  t.match(unknown, { said: { code: 3 } });
  t.match(unknown.stderr(), /NODE_EXTRA_CA_CERTS/);
  const elsewhere = await run({ names: ['elsewhere.example'] }, believed);
  t.match(elsewhere, { said: { code: 3 } });
  t.match(elsewhere.stderr(), /\(ERR_TLS_CERT_ALTNAME_INVALID\)\. \[tls_failed\]/);
  const expired = await run({ names, notAfter: Date.now() - 1000 }, believed);
  t.match(expired, { said: 'it is asked for again' });
  t.match(expired.stderr(), /"tls_out_of_term"/);
});

t.test('what is refused is said before anything runs', async (t) => {
  const { run, node, folder } = await start(t);
  for (const how of [[], ['--static']]) {
    const refused = run(['closed', ...how, ...node(PRINT)]);
    t.equal((await refused.ended).code, 1);
    t.equal(refused.stdout(), '');
    t.match(refused.stderr(), /AWS says no\. \[sts_refused\]\nhint: Mend the trust\.\nrequest: rq_problem/);
  }
  const gone = { COUNTERSIGN_PRIVATE_KEY_FILE: join(folder, 'gone.pem') };
  for (const [connection, code, env] of [
    ['acme', 'file_unreadable', gone],
    ['broken', 'sts_misconfigured', {}],
    ['page', 'unexpected_answer', {}],
  ] as const) {
    const wrong = run([connection, ...node(PRINT)], env);
    t.same(await Promise.race([wrong.ended, askedAgain(wrong)]), { code: 1, signal: null }, code);
    t.match(wrong.stderr(), `[${code}]`);
  }
  const missing = run(['acme', '--', 'there-is-no-such-command']);
  t.equal((await missing.ended).code, 127);
  t.match(missing.stderr(), /There is no command/);
  const file = join(folder, 'plain');
  writeFileSync(file, 'x');
  chmodSync(file, 0o600);
  t.equal((await run(['acme', '--', file]).ended).code, 126);
  const within = run(['acme', '--', join(file, 'x')]);
  t.equal((await within.ended).code, 126);
  t.match(within.stderr(), /cannot be run \(ENOTDIR\)\. \[command_not_run\]/);
  t.equal((await run(['acme']).ended).code, 2);
});

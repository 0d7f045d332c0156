// Canaries: the main job and what goes wrong beside it, on a real process at its most talkative, and no secret anywhere after it.
import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { connectPostgres, type Database, openEmbedded } from '../src/db/connect.ts';
import { createLocalKek } from '../src/keys/kek.ts';
import { decrypt, placeOf } from '../src/keys/encrypt.ts';
import { findEnvelope } from '../src/keys/store.ts';
import { type Canary, findCanaries, formsOf } from './support/canaries.ts';
import { createStack, startTestSandbox } from './support/connect-account.ts';
import { testDatabaseUrl } from './support/databases.ts';
import { dumpTables } from './support/dump.ts';
import { findLastingPort } from './support/ports.ts';
import { startProcess, writeKek } from './support/process.ts';
import { assertion, call, postToken, tempDir, tokenForm } from './support/service.ts';
import { PATIENCE_MS, until } from './support/until.ts';
import { startCollector } from './tracing/collector.ts';

/** In front of the sandbox: what the service shows STS, and what STS answers. */
async function startWiretap(
  t: Parameters<typeof startProcess>[0],
  target: string,
): Promise<{ url: string; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    const forwarded = request(
      target + incoming.url,
      { method: incoming.method ?? 'GET', headers: incoming.headers },
      (answer) => {
        const answered: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => answered.push(chunk));
        answer.on('end', () => {
          heard.push(sent.toString(), Buffer.concat(answered).toString());
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(Buffer.concat(answered));
        });
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    forwarded.end(sent);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

/** The secret number of an EC key. */
function scalar(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).d as string, 'base64url');
}

const kidKey = (): { jwk: object; privateKey: KeyObject } => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { jwk: publicKey.export({ format: 'jwk' }), privateKey };
};

/** Every private half of the service, opened by its KEK. */
async function openPrivateKeys(database: Database, kekFile: string): Promise<Canary[]> {
  const kek = createLocalKek(Buffer.from(readFileSync(kekFile, 'utf8').trim(), 'base64'));
  const { createPrivateKey } = await import('node:crypto');
  const rows = await database.db.selectFrom('private_keys').select('kid').execute();
  const canaries = await Promise.all(
    rows.map(async ({ kid }) => {
      const record = (await findEnvelope(database.db, kid)) as NonNullable<Awaited<ReturnType<typeof findEnvelope>>>;
      const pkcs8 = await decrypt(kek, record.envelope, placeOf(kid, record));
      return [
        {
          name: `the private half of ${record.id}`,
          value: scalar(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })),
        },
        { name: `the PKCS#8 document of ${record.id}`, value: Buffer.from(pkcs8) },
      ];
    }),
  );
  return canaries.flat();
}

/** What the command prints, on both streams; the event loop goes on, because what it asks is served from here. */
async function printed(env: Record<string, string>, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/cli/main.ts'), ...args], {
    env: { PATH: process.env['PATH'], ...env },
    timeout: 60_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  await once(child, 'close');
  return output;
}

/** Every file below a folder, but the embedded database's own, which is searched by its tables. */
function readFiles(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(dir, 'database')));
  return Object.fromEntries(files.map((file) => [`file ${file.slice(dir.length)}`, readFileSync(file, 'latin1')]));
}

t.test('no secret is in the log, the audit or any table', async (t) => {
  const dir = tempDir(t);
  const port = await findLastingPort();
  const issuerUrl = `http://127.0.0.1:${port}`;
  const kekFile = writeKek(t);
  const databaseUrl = await testDatabaseUrl(t);
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const wiretap = await startWiretap(t, sandbox.url);
  const collector = await startCollector(t);
  const collectorKey = `canary-collector-key-${Math.random().toString(36).slice(2)}`;
  const env = {
    ...{ ISSUER_URL: issuerUrl, PORT: String(port), DATA_DIR: dir, STS_ENDPOINT_URL: wiretap.url },
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${collectorKey}` },
    ...{ KEY_ENCRYPTION_KEY_FILE: kekFile, LOG_LEVEL: 'trace', ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}) },
  };
  const service = await startProcess(t, env);
  const canaries: Canary[] = [
    { name: 'the key of the collector', value: collectorKey },
    { name: 'the key-encryption key', value: Buffer.from(readFileSync(kekFile, 'utf8').trim(), 'base64') },
    ...(databaseUrl && new URL(databaseUrl).password.length >= 8
      ? [{ name: 'the password of DATABASE_URL', value: new URL(databaseUrl).password }]
      : []),
  ];
  const seed = <Value extends string | Buffer>(name: string, value: Value): Value => {
    canaries.push({ name, value });
    return value;
  };
  const seedToken = (name: string, token: string): string => {
    seed(`${name}'s signature`, token.split('.').at(-1) as string);
    return seed(name, token);
  };
  const host = seedToken('the token of the host', await service.hostToken());
  const api = (method: string, path: string, body?: unknown, token = host, headers: Record<string, string> = {}) =>
    call(issuerUrl, method, path, body, { authorization: `Bearer ${token}`, ...headers });

  // The main job.
  const account = '111122223333';
  const { body: connection } = await api('POST', '/v1/connections', {
    name: 'Acme',
    aws: { account_id: account, permission_set: 'administrator' },
  });
  await createStack(
    sandbox,
    account,
    'countersign',
    (await api('GET', `/v1/connections/${connection.id}/template`)).body,
  );
  await api('POST', `/v1/connections/${connection.id}/verify`);
  const state = async () => (await api('GET', `/v1/connections/${connection.id}`)).body.state;
  t.ok(await until(async () => (await state()) === 'active'));
  const { jwk, privateKey } = kidKey();
  seed('the private key of the workload', scalar(privateKey));
  const once = { 'idempotency-key': 'billing-1' };
  const { body: workload } = await api('POST', '/v1/workloads', { slug: 'billing', keys: [jwk] }, host, once);
  const again = await api('POST', '/v1/workloads', { slug: 'billing', keys: [jwk] }, host, once);
  t.equal(again.body.id, workload.id, 'the answer was kept');
  const client = { id: workload.id, slug: 'billing', kid: workload.keys[0].kid, privateKey };
  await api('POST', '/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  const path = `/v1/connections/${connection.id}/credentials`;
  const shown = seedToken('a client assertion', await assertion(issuerUrl, client));
  const token = seedToken(
    'a workload token',
    (await postToken(issuerUrl, tokenForm(shown, issuerUrl + path))).body.access_token,
  );
  const handed = await api('GET', path, undefined, token);
  t.equal(handed.status, 200, handed.body.detail);
  seed('a secret access key', handed.body.SecretAccessKey);
  seed('a session token', handed.body.Token);
  t.equal((await api('POST', '/v1/keys/platform/rotate', { now: true })).status, 200);

  // What goes wrong beside it, each with something that must not be kept.
  const stray = (name: string): string =>
    seed(name, `canary-${name.replaceAll(' ', '-')}-${Math.random().toString(36).slice(2)}`);
  const { privateKey: another } = kidKey();
  const forged = seedToken(
    'an assertion by another key',
    await assertion(issuerUrl, { ...client, privateKey: another }),
  );
  t.equal((await postToken(issuerUrl, tokenForm(forged, issuerUrl + path))).status, 401);
  t.equal((await postToken(issuerUrl, tokenForm(shown, issuerUrl + path))).status, 401, 'replayed');
  t.equal(
    (await postToken(issuerUrl, { ...tokenForm(shown, issuerUrl + path), client_secret: stray('a client secret') }))
      .status,
    400,
  );
  t.equal(
    (
      await postToken(issuerUrl, tokenForm(shown, issuerUrl + path), {
        authorization: `Basic ${Buffer.from(stray('a basic password')).toString('base64')}`,
      })
    ).status,
    400,
  );
  t.equal((await api('GET', '/v1/whoami', undefined, stray('a bearer'))).status, 401);
  t.equal((await api('GET', '/v1/whoami', undefined, `${token.slice(0, -6)}AAAAAA`)).status, 401);
  t.equal((await api('GET', `/v1/whoami?access_token=${stray('a token in a query')}`)).status, 400);
  t.equal((await api('GET', `/v1/connections/${stray('a token in a path').slice(0, 60)}%00`)).status, 400);
  t.equal((await api('POST', '/v1/workloads', { slug: 'x1', keys: [another.export({ format: 'jwk' })] })).status, 400);
  seed('a private key that was sent', scalar(another));
  t.equal((await api('POST', '/v1/workloads', `{"slug":"x2","password":"${stray('an unknown member')}"`)).status, 400);
  t.equal((await api('PATCH', `/v1/workloads/${workload.id}`, { secret: stray('a wrong member') })).status, 400);
  const kept = { 'idempotency-key': 'leaking-1' };
  const withKey = { slug: 'x3', keys: [another.export({ format: 'jwk' })] };
  t.equal((await api('POST', '/v1/workloads', withKey, host, kept)).status, 400, 'nor by the answer that is kept');
  sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'reset', times: 3 });
  t.equal((await api('GET', `${path}?duration_seconds=1800`, undefined, token)).status, 503, 'STS is away');
  for (const heard of wiretap.heard) {
    for (const [, name, value] of heard.matchAll(/<(SecretAccessKey|SessionToken)>([^<]+)</g))
      seed(`STS's ${name}`, value as string);
    const shownToSts = new URLSearchParams(heard).get('WebIdentityToken');
    if (shownToSts) seedToken('a web identity token', shownToSts);
  }
  t.ok(
    canaries.filter(({ name }) => name === 'a web identity token').length >= 2,
    'the verification showed one, the exchange another',
  );

  for (const name of ['the answer to an exchange', 'the one that failed']) {
    const ended = name === 'the one that failed' ? 503 : 200;
    const route = '/v1/connections/:connection/credentials';
    const isIt = ({ attributes }: { attributes: Record<string, unknown> }) =>
      attributes['http.route'] === route && Number(attributes['http.response.status_code']) === ended;
    t.ok(await collector.wait(isIt), name);
  }
  t.equal(collector.headers[0]?.['x-api-key'], collectorKey, 'the collector was shown its key');
  const { body: audit } = await api('GET', '/v1/audit?limit=200');
  const shownElsewhere = {
    'the metrics': (await call(issuerUrl, 'GET', '/metrics')).body as string,
    'config check': await printed(env, 'config', 'check'),
    'config check --json': await printed(env, 'config', 'check', '--json'),
    doctor: await printed({ ...env, SOCKET_PATH: service.socketPath }, 'doctor'),
  };
  for (const [place, text] of Object.entries(shownElsewhere))
    t.ok(text.length > 100, `${place} says something: ${text}`);
  t.equal(await service.stop(), 0);
  const database = databaseUrl
    ? connectPostgres({ url: databaseUrl, connectTimeoutMs: PATIENCE_MS })
    : await openEmbedded({ dir: join(dir, 'database') });
  t.teardown(() => database.close());
  canaries.push(...(await openPrivateKeys(database, kekFile)));
  t.ok(canaries.length > 20, `${canaries.length} canaries`);
  const places = {
    'the log': service.output(),
    'the audit': JSON.stringify(audit),
    'the spans': collector.bodies.join('\n'),
    ...shownElsewhere,
    ...readFiles(dir),
    ...Object.fromEntries(
      Object.entries(await dumpTables(database.db)).map(([name, rows]) => [`table ${name}`, rows.join('\n')]),
    ),
  };
  t.match((places as Record<string, string>)['table idempotency_keys'], workload.id, 'answers are kept');
  t.ok(places['the log'].length > 1000 && places['the audit'].includes('handed_out'));
  t.ok(
    findCanaries(places['the audit'], [{ name: 'a jti', value: audit.items[0].stream }]).length > 0,
    'what is there is found',
  );
  for (const [place, text] of Object.entries(places)) t.same(findCanaries(text, canaries), [], place);
});

t.test('a canary is found in each form, wherever it begins', async (t) => {
  const value = 'canary+secret/value?é';
  for (const form of formsOf(value))
    t.same(findCanaries(`before ${form} after`, [{ name: 'x', value }]).length > 0, true, form);
  for (const before of ['', 'a', 'ab', 'abc']) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      t.not(
        findCanaries(Buffer.from(`${before}${value}tail`).toString(encoding), [{ name: 'x', value }]).length,
        0,
        `${encoding} behind "${before}"`,
      );
    }
  }
  t.same(findCanaries('nothing of it', [{ name: 'x', value }]), []);
});

t.test('what carries a secret by its name is not logged', async (t) => {
  const source = `
    import { createLog } from ${JSON.stringify(join(import.meta.dirname, '../src/main.ts'))};
    const log = createLog('trace');
    for (const name of ['authorization', 'client_assertion', 'access_token', 'token', 'SecretAccessKey', 'Token', 'sessionToken', 'secretAccessKey', 'password']) {
      log.info({ [name]: 'canary-1', inner: { [name]: 'canary-2' }, req: { headers: { [name]: 'canary-3' } }, err: Object.assign(new Error('x'), { [name]: 'canary-4' }) }, name);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  t.equal(stdout.trim().split('\n').length, 9, stderr);
  t.same(stdout.match(/canary-\d/g), null);
  t.match(stdout, /\[redacted\]/);
});

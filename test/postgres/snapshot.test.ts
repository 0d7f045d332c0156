// A start without a database, for real: documents from the snapshot, nothing else, and whole by itself when it is back.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { sql } from 'kysely';
import { connectPostgres } from '../../src/db/connect.ts';
import { startPostgres } from '../support/postgres.ts';
import { type ServiceProcess, startProcess, startProxy, writeKek } from '../support/process.ts';
import { askSocket, call, tempDir } from '../support/service.ts';
import { PATIENCE_MS } from '../support/until.ts';

/** Short enough to be outlived in a test, long enough to start within. */
const D_SECONDS = 40;
const FROM_SNAPSHOT = 'serving documents from the snapshot';

async function until(condition: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(50)) if (await condition()) return true;
  return false;
}

/** What lies in DATA_DIR: when it was true, and its rings as text; nothing while it is replaced. */
function readSnapshot(dataDir: string): { takenAt: number; rings: string } {
  const dir = join(dataDir, 'snapshot');
  try {
    const head = JSON.parse(readFileSync(join(dir, 'view.json'), 'utf8').split('\n')[0] ?? '');
    return { takenAt: head.takenAt, rings: readFileSync(join(dir, head.rings.name), 'utf8') };
  } catch {
    return { takenAt: 0, rings: '' };
  }
}

const readyFor = async (service: ServiceProcess, capability: string): Promise<boolean> =>
  (await call(service.url, 'GET', `/readyz?capability=${capability}`)).status === 200;

t.test('documents are served until D, everything else waits, and a start by an older snapshot is none', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const proxy = await startProxy(t);
  const env = {
    ...{ ISSUER_URL: proxy.url, DATABASE_URL: cluster.url, KEY_ENCRYPTION_KEY_FILE: writeKek(t) },
    ...{ DATA_DIR: tempDir(t), KEY_POLICY_OLDEST_SERVED_SECONDS: String(D_SECONDS) },
    ...{ KEY_POLICY_OLDEST_SIGNED_SECONDS: String(D_SECONDS), KEY_POLICY_PERIOD_SECONDS: '3600' },
  };
  const first = await startProcess(t, env);
  proxy.targets = [first.url];
  const { body: connection } = await call(
    first.url,
    'POST',
    '/v1/connections',
    { name: 'x', aws: { account_id: '111122223333', permission_set: 'read-only' } },
    { authorization: `Bearer ${await first.hostToken()}` },
  );
  const paths = ['', `/c/${connection.issuer.id}`].flatMap((base) => [
    `${base}/.well-known/openid-configuration`,
    `${base}/jwks`,
  ]);
  const documentsOf = async (service: ServiceProcess): Promise<unknown[]> =>
    await Promise.all(paths.map(async (path) => (await call(service.url, 'GET', path)).body));
  const documents = await documentsOf(first);
  const hasIssuer = () => readSnapshot(env.DATA_DIR).rings.includes(connection.issuer.id);
  t.ok(await until(hasIssuer, 60_000), 'the new issuer is on the disk');
  const renewed = async (): Promise<void> => {
    const { takenAt } = readSnapshot(env.DATA_DIR);
    t.ok(await until(() => readSnapshot(env.DATA_DIR).takenAt > takenAt, 60_000), 'a younger one is on the disk');
  };
  await first.stop('SIGKILL');
  await cluster.kill();

  const cutOff = await startProcess(t, env, FROM_SNAPSHOT);
  t.same(await documentsOf(cutOff), documents, 'every issuer, as before');
  t.equal((await call(cutOff.url, 'GET', '/livez')).status, 200);
  t.equal((await call(cutOff.url, 'GET', '/readyz')).status, 200);
  for (const capability of ['tokens', 'broker', 'admin'])
    t.match(await call(cutOff.url, 'GET', `/readyz?capability=${capability}`), {
      status: 503,
      body: { reason: 'the database has not answered since this process started' },
    });
  const token = await call(cutOff.url, 'POST', '/oauth2/token', 'grant_type=client_credentials', {
    'content-type': 'application/x-www-form-urlencoded',
  });
  t.equal(token.status, 503);
  t.ok(token.headers.get('retry-after'));
  for (const [method, path] of [
    ['GET', '/v1/whoami'],
    ['POST', `/v1/connections/${connection.id}/credentials`],
    ['GET', '/nothing'],
  ] as const) {
    const refused = await call(cutOff.url, method, path);
    t.match(refused, { status: 503, body: { code: 'unavailable', detail: /documents alone: the database/ } }, path);
    t.ok(refused.headers.get('retry-after'), path);
  }
  t.match(await askSocket(cutOff.socketPath, {}), { status: 503 }, 'nor a token for the host');
  t.equal((await call(cutOff.url, 'GET', `/c/is_${'a'.repeat(26)}/jwks`)).status, 503, 'who is not known may be real');
  t.ok(await until(async () => !(await readyFor(cutOff, 'documents')), (D_SECONDS + 10) * 1000), 'D ends it');
  t.equal((await call(cutOff.url, 'GET', '/jwks')).status, 503);
  await cutOff.stop('SIGKILL');

  const late = await startProcess(t, env, 'the database does not answer yet; trying again');
  await cluster.start();
  t.ok(await until(() => late.output().includes('"msg":"ready"'), 60_000));
  t.match(late.output(), /the snapshot of public keys in DATA_DIR is not served/);
  t.match(late.output(), /it is \d+ s old, and D of the key policy is 40 s/);
  t.notMatch(late.output(), FROM_SNAPSHOT);
  t.same(await documentsOf(late), documents);
  await renewed();
  await late.stop('SIGKILL');
  await cluster.kill();

  const back = await startProcess(t, env, FROM_SNAPSHOT);
  const same = await documentsOf(back);
  t.notOk(await readyFor(back, 'tokens'));
  await cluster.start();
  t.ok(await until(() => readyFor(back, 'tokens'), 60_000), 'whole by itself');
  t.ok(await until(() => back.output().includes('"msg":"ready"'), 60_000));
  t.same(await documentsOf(back), same, 'the keys are the same');
  const authorization = `Bearer ${await back.hostToken()}`;
  t.equal((await call(back.url, 'GET', '/v1/whoami', undefined, { authorization })).status, 200);

  const database = connectPostgres({ url: cluster.url, connectTimeoutMs: PATIENCE_MS });
  await sql`update service set issuer_url = 'https://id.example.com'`.execute(database.db);
  await database.close();
  await renewed();
  await back.stop('SIGKILL');
  await cluster.kill();
  const foreign = await startProcess(t, env, FROM_SNAPSHOT);
  t.equal((await call(foreign.url, 'GET', '/jwks')).status, 200);
  await cluster.start();
  t.ok(await until(() => foreign.child.exitCode !== null, 60_000), 'what no waiting mends ends it');
  t.equal(foreign.child.exitCode, 1);
  t.match(foreign.output(), /issuer_url_changed.*ISSUER_URL to https:\/\/id\.example\.com/s);
});

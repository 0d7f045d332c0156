// PostgreSQL away: at the start it is waited for in the open; later, what needs it says so at once and comes back by itself.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { startPostgres } from '../support/postgres.ts';
import { startProcess, startProxy, writeKek } from '../support/process.ts';
import { call, tempDir } from '../support/service.ts';

const until = async (condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<boolean> => {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
};

t.test('away at the start, hung, gone and back', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  await cluster.kill();
  const proxy = await startProxy(t);
  const env = {
    ISSUER_URL: proxy.url,
    DATABASE_URL: cluster.url,
    KEY_ENCRYPTION_KEY_FILE: writeKek(t),
    KEY_POLICY_OLDEST_SERVED_SECONDS: '60',
  };
  const service = await startProcess(t, env, 'the database does not answer yet');
  await cluster.start();
  t.ok(await until(() => service.output().includes('"msg":"ready"')));
  proxy.targets = [service.url];
  t.match(service.output(), /the database does not answer yet; trying again/, 'said so while it waited');
  const { password } = new URL(cluster.url);
  t.ok(password.length > 8);
  t.notMatch(service.output(), password, 'and not with the password');
  const token = await service.hostToken();
  const api = () => call(service.url, 'GET', '/v1/whoami', undefined, { authorization: `Bearer ${token}` });
  const audit = () => call(service.url, 'GET', '/v1/audit?limit=1', undefined, { authorization: `Bearer ${token}` });
  t.equal((await api()).status, 200);

  cluster.pause();
  t.equal((await call(service.url, 'GET', '/jwks')).status, 200, 'documents need no database');
  t.match(await call(service.url, 'GET', '/readyz?capability=tokens'), {
    status: 503,
    body: { reason: /database|view/ },
  });
  t.match(await audit(), { status: 503, body: { code: 'unavailable', hint: String } });
  cluster.resume();
  t.ok(await until(async () => (await audit()).status === 200), 'back by itself after a hang');

  await cluster.kill();
  const away = await audit();
  t.equal(away.status, 503);
  t.ok(away.headers.get('retry-after'));
  t.equal((await call(service.url, 'GET', '/readyz')).status, 200);
  t.match(await call(service.url, 'GET', '/readyz?capability=admin'), { status: 503 });
  await cluster.start();
  t.ok(await until(async () => (await audit()).status === 200), 'back by itself after a crash');
  t.ok(await until(async () => (await call(service.url, 'GET', '/readyz?capability=tokens')).status === 200));
  t.equal(await service.stop(), 0);
});

t.test('not there: what is wrong is said at once, without the password', async (t) => {
  const env = {
    ISSUER_URL: 'http://127.0.0.1:9',
    DATABASE_URL: 'postgres://user:hunter2secret@127.0.0.1:1/x',
    KEY_ENCRYPTION_KEY_FILE: writeKek(t),
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts')], {
    env: { PATH: process.env['PATH'], DATA_DIR: tempDir(t), ...env },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  t.ok(await until(() => /does not answer yet; trying again/.test(output)), output);
  t.match(output, /ECONNREFUSED/);
  t.notMatch(output, 'hunter2secret');
});

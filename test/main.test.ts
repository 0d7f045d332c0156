// The process: what stops its start, by name, and how it ends.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startProcess } from './support/process.ts';
import { askSocket, call, tempDir } from './support/service.ts';
import { findLastingPort } from './support/ports.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');

/** A start that is expected to fail. */
async function start(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  // One that starts all the same is not waited for.
  const deadline = setTimeout(() => child.kill('SIGKILL'), 90_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(deadline);
  return { code, output };
}

t.test('starts, answers, and ends on SIGTERM with its data whole', async (t) => {
  const dir = tempDir(t);
  const port = await findLastingPort();
  const env = {
    ISSUER_URL: `http://127.0.0.1:${port}`,
    PORT: String(port),
    DATA_DIR: dir,
    KEYS_DIR: join(dir, 'keys'),
    SOCKET_PATH: join(dir, 'run/s.sock'),
  };
  const first = await startProcess(t, env);
  t.equal(statSync(env.SOCKET_PATH).mode & 0o777, 0o600);
  t.equal(statSync(join(dir, 'run')).mode & 0o777, 0o700);
  t.equal(statSync(join(dir, 'keys/development.key')).mode & 0o777, 0o600);
  const { keys } = (await call(first.url, 'GET', '/jwks')).body;

  const second = await start({ ...env, PORT: String(await findLastingPort()), SOCKET_PATH: join(dir, 'run/t.sock') });
  t.equal(second.code, 1);
  t.match(
    second.output,
    /embedded_directory_in_use.*\n.*DATA_DIR of its own/s,
    'a second process on the embedded directory',
  );
  t.notMatch(second.output, /\n +at /, 'no stack for what a person can mend');

  const other = tempDir(t);
  const sharing = await start({
    ...env,
    PORT: String(await findLastingPort()),
    DATA_DIR: other,
    KEYS_DIR: join(other, 'keys'),
  });
  t.match(sharing, { code: 1, output: /socket_in_use.*SOCKET_PATH of its own/s }, 'a second process on the socket');
  t.equal((await askSocket(env.SOCKET_PATH, {})).status, 200, 'which the first one still has');

  t.equal(await first.stop(), 0);
  t.notOk(existsSync(env.SOCKET_PATH), 'the socket is gone');
  const again = await startProcess(t, env);
  t.same((await call(again.url, 'GET', '/jwks')).body.keys, keys, 'the same keys');
  const created = await call(
    again.url,
    'POST',
    '/v1/connections',
    { name: 'x', aws: { account_id: '111122223333', permission_set: 'read-only' } },
    { authorization: `Bearer ${await again.hostToken()}` },
  );
  t.equal(created.status, 201);
  await again.stop('SIGKILL');

  const killed = await startProcess(t, env);
  t.equal(
    (await call(killed.url, 'GET', `/c/${created.body.issuer.id}/jwks`)).status,
    200,
    'a stale socket and a killed process are no obstacle',
  );
  await killed.stop();

  const moved = await start({ ...env, ISSUER_URL: `http://127.0.0.1:${port + 1}` });
  t.match(
    moved,
    { code: 1, output: /issuer_url_changed.*ISSUER_URL to http:\/\/127\.0\.0\.1/s },
    'another ISSUER_URL than connections trust',
  );

  writeFileSync(join(dir, 'wrong'), `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  t.match(await start({ ...env, KEY_ENCRYPTION_KEY_FILE: join(dir, 'wrong') }), { code: 1, output: /kek_wrong/ });
  t.match(await start({ ...env, KEY_ENCRYPTION_KEY_FILE: join(dir, 'missing') }), {
    code: 1,
    output: /kek_missing.*never made over existing rows/s,
  });
  t.notOk(existsSync(join(dir, 'missing')));
});

t.test('a folder for the socket that others can write to is refused', async (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'open'), { mode: 0o777 });
  const { chmodSync } = await import('node:fs');
  chmodSync(join(dir, 'open'), 0o777);
  const port = await findLastingPort();
  const refused = await start({
    ISSUER_URL: `http://127.0.0.1:${port}`,
    DATA_DIR: dir,
    KEYS_DIR: join(dir, 'keys'),
    SOCKET_PATH: join(dir, 'open/s.sock'),
  });
  t.match(refused, { code: 1, output: /socket_folder_not_ours/ });
});

t.test('a configuration with problems starts nothing', async (t) => {
  const refused = await start({ ISSUER_URL: 'http://id.example.com', PORT: 'x' });
  t.equal(refused.code, 1);
  t.match(refused.output, /PORT is not valid/);
  t.match(refused.output, /ISSUER_URL must be https/);
});

t.test("the host's socket gives a token for the API alone, with the scopes asked for", async (t) => {
  const dir = tempDir(t);
  const port = await findLastingPort();
  const service = await startProcess(t, {
    ISSUER_URL: `http://127.0.0.1:${port}`,
    PORT: String(port),
    DATA_DIR: dir,
    KEYS_DIR: join(dir, 'keys'),
  });
  const { status, body } = await askSocket(service.socketPath, {
    scopes: ['audit:read'],
    as: 'Alice Ä',
    reason: 'an audit',
  });
  t.equal(status, 200);
  t.match(body, { token_type: 'Bearer', expires_in: 900, scope: 'audit:read', api_url: `http://127.0.0.1:${port}` });
  const api = async (method: string, path: string, payload?: object) =>
    call(service.url, method, path, payload, { authorization: `Bearer ${body.access_token}` });
  t.match(await api('GET', '/v1/whoami'), {
    body: { kind: 'host', id: 'host', scopes: ['audit:read'], as: 'Alice Ä' },
  });
  t.match(await api('POST', '/v1/workloads', { slug: 'x1' }), { status: 403, body: { code: 'insufficient_scope' } });
  const { body: audit } = await api('GET', '/v1/audit?kind=token.minted&actor=host');
  t.match(audit.items[0].details, { as: 'Alice Ä', reason: 'an audit', scope: 'audit:read' });
  t.match(await askSocket(service.socketPath, { scopes: ['everything'] }), {
    status: 400,
    body: { code: 'invalid_request' },
  });
  t.match(await askSocket(service.socketPath, { unknown: 1 }), { status: 400, body: { code: 'invalid_request' } });
  t.equal((await call(service.url, 'POST', '/token', {})).status, 404, 'not over TCP');
});

// The command as a process: its exit code, its streams, a reader that goes away, the sandbox until it is stopped.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { problem, startStandIn, temporaryFolder } from './stand-in.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

function start(argv: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended, said: () => stdout };
}

t.test('exit code, stdout and stderr', async (t) => {
  const { env } = await startStandIn(t, { 'GET /v1/whoami': { body: { kind: 'workload' } } });
  t.match(await start(['whoami', '--json'], env).ended, {
    code: 0,
    stdout: '{\n  "kind": "workload"\n}\n',
    stderr: '',
  });
  t.match(await start(['connection', 'show', 'x'], env).ended, { code: 4, stdout: '', stderr: /not_found/ });
  t.match(await start(['whoamy']).ended, { code: 2, stderr: /Did you mean whoami/ });
});

t.test('a private key is written whole, or there is no file', async (t) => {
  const file = join(temporaryFolder(t), 'billing.pem');
  const generate = ['workload', 'key', 'generate', '--out', file];
  // What a full disk is to it: the file is made, and nothing goes in.
  const script = 'ulimit -f 0; exec "$0" "$@"';
  const full = await once(spawn('sh', ['-c', script, process.execPath, MAIN, ...generate], { env: {} }), 'close');
  t.equal(full[0], 1);
  t.notOk(existsSync(file));
  t.match(await start(generate).ended, { code: 0 }, 'and the next does not find one');
});

t.test('no folder is made where the service is not', async (t) => {
  const folder = temporaryFolder(t);
  const { code } = await start(['whoami'], { DATA_DIR: join(folder, 'none') }).ended;
  t.equal(code, 3);
  t.notOk(existsSync(join(folder, 'none')));
});

t.test('a reader that goes away ends it quietly', async (t) => {
  const items = Array.from({ length: 20_000 }, (_, index) => ({
    id: `gr_${index}`,
    workload: 'w'.repeat(30),
    selector: { all: true },
    purpose: 'default',
  }));
  const { env } = await startStandIn(t, { 'GET /v1/grants': { body: { items } } });
  const { child, ended } = start(['grant', 'list'], env);
  child.stdout.once('data', () => child.stdout.destroy());
  t.match(await ended, { code: 0, stderr: '' });
});

t.test('a reader that is late gets all of what it ended with', async (t) => {
  const detail = 'x'.repeat(2_000_000);
  const { env } = await startStandIn(t, { 'GET /v1/whoami': problem(409, 'conflict', detail) });
  const child = spawn(process.execPath, [MAIN, 'whoami', '--json'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  await Promise.race([once(child, 'exit'), once(child.stderr, 'readable')]);
  await delay(500);
  let said = '';
  for await (const text of child.stderr.setEncoding('utf8')) said += text;
  t.equal(said.length > detail.length && JSON.parse(said).error.detail.length, detail.length);
});

t.test('configuration faults of the service are listed, without a stack', async (t) => {
  const ended = await start(['serve'], { ISSUER_URL: 'not a url', PORT: 'x', DATA_DIR: temporaryFolder(t) }).ended;
  t.equal(ended.code, 1);
  t.match(ended.stderr, /configuration/);
  t.match(ended.stderr, /ISSUER_URL/);
  t.match(ended.stderr, /PORT/);
  t.notMatch(ended.stderr, /\n {4}at /);
});

t.test('sandbox: says how to be its owner, and ends when it is told to', async (t) => {
  const { child, ended, said } = start(['sandbox', '--port', '0', '--account', '111122223333', '--json']);
  while (!said().endsWith('}\n')) await once(child.stdout, 'data');
  const { url, accounts } = JSON.parse(said()) as { url: string; accounts: { account_id: string }[] };
  t.match(accounts, [{ account_id: '111122223333', access_key_id: /^AKIA/ }]);
  const answer = await fetch(`${url}/_sandbox/options`);
  t.same(await answer.json(), { jwks_cache_seconds: 5, consistency_delay_ms: 0 });
  const taken = await start(['sandbox', '--port', new URL(url).port]).ended;
  t.match(taken, { code: 1, stderr: /\[port_in_use\]/ });
  child.kill('SIGTERM');
  t.equal((await ended).code, 0);
  t.match(await start(['sandbox', '--account', '12']).ended, { code: 2, stderr: /12 digits/ });
});

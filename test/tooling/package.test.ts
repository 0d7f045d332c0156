// The package, tried from its tarball: what is in it, and that it runs as npm installs it, where Node strips no types.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { walkModules } from '../../scripts/modules.ts';
import { listFiles } from './dockerfile.ts';
import { findLastingPort } from '../support/ports.ts';

const ROOT = join(import.meta.dirname, '../..');
const { dependencies, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  version: string;
};

/** Packed, and unpacked as npm does: under node_modules, beside what it says that it depends on and nothing else. */
function install(): { app: string; bin: string } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-package-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ...process.env, NODE_ENV: '' };
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT, env, stdio: 'pipe' });
  const modules = join(folder, 'node_modules');
  const app = join(modules, 'countersign');
  mkdirSync(app, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, `countersign-${version}.tgz`), '-C', app, '--strip-components=1']);
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  const { bin } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as { bin: { countersign: string } };
  mkdirSync(join(modules, '.bin'));
  symlinkSync(join('../countersign', bin.countersign), join(modules, '.bin/countersign'));
  return { app, bin: join(modules, '.bin/countersign') };
}

const { app, bin } = install();
/** For development alone: the command says that it is not there. */
const LEFT_OUT = ['dist/cli/sandbox.js -> ../sandbox/sandbox.js'];

function start(argv: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [bin, ...argv], { env, cwd: dirname(app), stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended, said: () => stdout };
}

const run = (argv: string[], env?: Record<string, string>) => start(argv, env).ended;

t.test('carries what runs, and nothing that does not', async (t) => {
  const files = listFiles(app);
  t.same(
    files.filter((file) => !/^dist\/.*\.js$|^migrations\/.*\.sql$|^package\.json$|^(README|CHANGELOG)\.md$/.test(file)),
    [],
  );
  t.same(
    files.filter((file) => /^dist\/(sandbox|demo)\//.test(file)),
    [],
  );
  t.same(
    files.filter((file) => file.startsWith('migrations/')),
    listFiles(join(ROOT, 'migrations')).map((file) => `migrations/${file}`),
    'every migration',
  );
  const {
    files: modules,
    packages,
    missing,
  } = walkModules(
    ['main.js', 'cli/bin.js', 'cli/main.js'].map((file) => join(app, 'dist', file)),
    { dynamic: true },
  );
  t.same(
    missing.map((line) => line.slice(app.length + 1)),
    LEFT_OUT,
  );
  t.ok(modules.size > 100, `${modules.size} modules`);
  t.same(
    [...packages].filter((name) => !name.startsWith('node:') && !(name in dependencies)),
    [],
    'every package that it imports is one that it depends on',
  );
});

t.test('says what it is, how it is used, and completes itself', async (t) => {
  t.same(await run(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  t.match(await run(['--help']), { code: 0, stdout: /^Usage: countersign /, stderr: '' });
  const { stdout: script } = await run(['completion', 'bash']);
  const { stdout, status } = spawnSync('bash', ['-c', 'eval "$SCRIPT"; complete -p countersign'], {
    env: { PATH: process.env['PATH'], SCRIPT: script },
    encoding: 'utf8',
  });
  t.equal(status, 0);
  t.match(stdout, /countersign\n$/);
  t.match(await run(['sandbox']), { code: 1, stderr: /\[sandbox_missing\]/ });
});

t.test('on a Node that is too old it says which it takes', async (t) => {
  const older =
    "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})";
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', older, bin, 'whoami'], {
    encoding: 'utf8',
  });
  t.match({ status, stdout, stderr }, { status: 1, stdout: '', stderr: /Node 20\.1\.0, and it takes 24/ });
  t.notMatch(stderr, /at .*\.js/);
  const reads = walkModules([join(app, 'dist/cli/bin.js')]).files.size;
  t.equal(reads, 1, 'nothing else is read before it is said');
});

t.test('serves, and its command asks what it serves', async (t) => {
  const PORT = String(await findLastingPort());
  const folder = join(dirname(app), 'data');
  const url = `http://127.0.0.1:${PORT}`;
  const host = { SOCKET_PATH: join(folder, 's.sock') };
  const service = start(['serve'], { ...host, PORT, DATA_DIR: folder, KEYS_DIR: folder, ISSUER_URL: url });
  while (service.child.exitCode === null && !service.said().includes('"msg":"ready"'))
    await Promise.race([once(service.child.stdout, 'data'), service.ended]);
  t.match(await run(['whoami', '--json'], host), { code: 0, stdout: /"kind": "host"/, stderr: '' });
  const create = [
    'connection',
    'create',
    '--name',
    'Acme',
    '--account',
    '123456789012',
    '--permission-set',
    'read-only',
  ];
  t.match(await run([...create, '--json'], host), { code: 0, stdout: /"id": "cn_/ }, 'its keys are made in a thread');
  const key = join(folder, 'billing.pem');
  const made = await run(['workload', 'create', 'billing', '--generate-key', key, '--json'], host);
  const { id } = JSON.parse(made.stdout) as { id: string };
  const workload = { COUNTERSIGN_URL: url, COUNTERSIGN_CLIENT_ID: id, COUNTERSIGN_PRIVATE_KEY_FILE: key };
  t.match(await run(['whoami', '--json'], workload), { code: 0, stdout: new RegExp(`"id": "${id}"`), stderr: '' });
  t.match(await run(['credentials', 'cn_none'], workload), { code: 4, stdout: '', stderr: /not_found/ });
  const agent = start(['agent', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')], workload);
  while (agent.child.exitCode === null && !agent.said().includes('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE='))
    await Promise.race([once(agent.child.stdout, 'data'), agent.ended]);
  const at = /^AWS_CONTAINER_CREDENTIALS_FULL_URI=(http:\S+?)\/v1\//m.exec(agent.said())?.[1];
  const authorization = readFileSync(join(folder, 'token'), 'utf8');
  const refused = await fetch(`${at}/v1/connections/cn_none/credentials`, { headers: { authorization } });
  t.match(await refused.json(), { Code: 'not_found' }, 'its agent asks as well');
  agent.child.kill('SIGTERM');
  t.match(await agent.ended, { code: 0 });
  service.child.kill('SIGTERM');
  const { code, stdout, stderr } = await service.ended;
  if (!t.equal(code, 0, 'SIGTERM ends it in order')) t.comment(stdout, stderr);
});

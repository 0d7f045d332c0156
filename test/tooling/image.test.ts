// The image, built by the Dockerfile's own steps in a clean folder: what it carries, and that it can start.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { walkModules } from '../../scripts/modules.ts';
import { createContextFilter, listFiles, parseDockerfile, replayDockerfile } from './dockerfile.ts';
import { findLastingPort } from '../support/ports.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const instructions = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
const last = (name: string) => instructions.findLast((instruction) => instruction.name === name);

const { root, workdir } = replayDockerfile(ROOT, t.testdir());
const app = join(root, workdir);

t.test('runs as a numeric user that is not root, stops on SIGTERM, keeps its files in one volume', async (t) => {
  t.match(last('USER')?.text, /^[1-9]\d*:[1-9]\d*$/);
  t.equal(last('STOPSIGNAL')?.text, 'SIGTERM');
  t.same(last('VOLUME')?.words, ['/data']);
  t.same(last('ENTRYPOINT')?.words, ['node', 'dist/cli/main.js'], 'node itself gets the signal, no shell between');
  t.same(last('CMD')?.words, ['serve']);
  t.ok(existsSync(join(root, 'data')), 'the volume is there, to belong to the user');
  const env = Object.fromEntries((last('ENV')?.words ?? []).map((word) => word.split('=')));
  t.match(env, { NODE_ENV: 'production', HOST: '0.0.0.0', DATA_DIR: '/data', SOCKET_PATH: /^\/data\// });
  for (const { words } of instructions.filter(({ name }) => name === 'FROM')) t.equal(words[0], 'node:24-slim');
});

t.test('carries the service and its dependencies, and nothing else', async (t) => {
  const files = listFiles(app);
  const own = files.filter((file) => !file.startsWith('node_modules/'));
  t.same(
    own.filter((file) => !/^(dist|migrations)\/|^(package|package-lock)\.json$|^\.npmrc$/.test(file)),
    [],
  );
  t.same(
    own.filter((file) => /^dist\/(sandbox|demo)\//.test(file) || file.endsWith('.ts')),
    [],
    'no sandbox, no demo, nothing to strip',
  );
  t.ok(own.includes('migrations/0001_base.sql'));
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>;
  };
  const installed = Object.keys(
    (JSON.parse(readFileSync(join(app, 'node_modules/.package-lock.json'), 'utf8')) as { packages: object }).packages,
  );
  t.ok(installed.includes('node_modules/fastify'));
  t.same(
    installed.filter((path) => packages[path]?.dev || packages[path]?.optional || packages[path]?.devOptional),
    [],
    'no dev dependency, no Node of the lock file',
  );
});

t.test('every import of the service and of its command resolves inside the image', async (t) => {
  const entries = ['dist/main.js', 'dist/cli/main.js'].map((file) => join(app, file));
  const { files, packages, missing } = walkModules(entries, { dynamic: true });
  // For development alone: the command says that it is not there.
  t.same(missing, [`${join(app, 'dist/cli/sandbox.js')} -> ../sandbox/sandbox.js`]);
  t.ok(files.size > 20, `${files.size} modules`);
  const { resolve } = createRequire(join(app, 'dist/main.js'));
  for (const name of packages) {
    if (name.startsWith('node:')) continue;
    t.ok(existsSync(join(app, 'node_modules', name)) || resolve(name).startsWith(app), name);
  }
});

t.test('the context filter obeys the last pattern that matches', async (t) => {
  const includes = createContextFilter('# comment\n*\n!src\nsrc/demo\n');
  t.same(['src/main.ts', 'src/demo/main.ts', 'README.md', 'src'].map(includes), [true, false, false, true]);
});

/** Until the image's own health check passes, or the process is gone. */
async function waitUntilHealthy(service: ChildProcess, env: NodeJS.ProcessEnv): Promise<boolean> {
  const [command, ...args] = last('HEALTHCHECK')?.words ?? [];
  t.equal(command, 'node', 'the health check needs no shell and no curl');
  const deadline = performance.now() + 90_000;
  while (performance.now() < deadline && service.exitCode === null) {
    if (spawnSync(process.execPath, args, { env }).status === 0) return true;
    await delay(100);
  }
  return false;
}

t.test('starts, answers its health check, and ends on SIGTERM', async (t) => {
  const PORT = String(await findLastingPort());
  const DATA_DIR = t.testdir();
  const env = { PATH: process.env.PATH, PORT, DATA_DIR, KEYS_DIR: DATA_DIR, ISSUER_URL: `http://127.0.0.1:${PORT}` };
  const [, script = '', ...words] = [...(last('ENTRYPOINT')?.words ?? []), ...(last('CMD')?.words ?? [])];
  const service = spawn(process.execPath, [script, ...words], { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const pipe of [service.stdout, service.stderr]) pipe.setEncoding('utf8').on('data', (text) => (output += text));
  t.teardown(() => service.kill('SIGKILL'));
  const gone = once(service, 'exit');
  if (!t.ok(await waitUntilHealthy(service, env), 'healthy')) t.comment(output);
  // Until then a signal ends it as any process.
  t.ok(await until(() => service.exitCode !== null || output.includes('"msg":"ready"')));
  service.kill('SIGTERM');
  t.same(await gone, [0, null]);
});

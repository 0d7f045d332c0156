// What happens before every npm script: installs once, prefers the lock file's Node, and says in one line what is missing.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { describeMachine, isInstalled, type Machine, preflight } from '../../scripts/preflight.mjs';

const ROOT = join(import.meta.dirname, '../..');
const linux: Machine = { platform: 'linux', arch: 'x64', libc: 'glibc', node: '20.11.0' };
const musl: Machine = { ...linux, libc: 'musl' };
const mac: Machine = { platform: 'darwin', arch: 'arm64', libc: undefined, node: '20.11.0' };

const LOCK = {
  '': { name: 'house' },
  'node_modules/brick': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/fitting': { version: '2.0.0', integrity: 'sha512-b', optional: true },
};

const { '': _, ...PACKAGES } = LOCK;
const record = (folder: string, packages: object) => {
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
};

/** A project with a lock file; `install` does what `npm ci` would, with a Node of that version, or one that cannot run. */
function createProject(t: Test, nodeVersion: string | undefined) {
  const root = t.testdir({ 'package-lock.json': JSON.stringify({ packages: LOCK }) });
  const said: string[] = [];
  let installs = 0;
  const install = (folder: string): boolean => {
    installs += 1;
    record(folder, PACKAGES);
    if (nodeVersion === undefined) symlinkSync('../nowhere/node', join(folder, 'node_modules/.bin/node'));
    else {
      writeFileSync(join(folder, 'node_modules/.bin/node'), `#!/bin/sh\necho v${nodeVersion}\n`);
      chmodSync(join(folder, 'node_modules/.bin/node'), 0o755);
    }
    return true;
  };
  const run = (machine: Machine, folders?: string[]) =>
    preflight({ root, machine, install, say: (line) => said.push(line), ...(folders ? { folders } : {}) });
  return { root, said, run, shadow: join(root, 'node_modules/.bin/node'), countInstalls: () => installs };
}

t.test('installs once, with a line before and after, and is silent from then on', async (t) => {
  const { run, said, countInstalls } = createProject(t, '24.21.0');
  t.equal(run(linux), 0);
  t.match(said, [/^Installing dependencies from the lock file/, /^Installed dependencies in [\d.]+ s\.$/]);
  t.equal(run(linux), 0);
  t.equal(countInstalls(), 1);
  t.equal(said.length, 2);
});

t.test('installs again when the tree is not what the lock file says', async (t) => {
  const brick = PACKAGES['node_modules/brick'];
  const trees: Record<string, [tree: object, complete: boolean]> = {
    'as locked': [PACKAGES, true],
    'an optional one left out': [{ 'node_modules/brick': brick }, true],
    'one missing': [{}, false],
    'another version': [{ 'node_modules/brick': { ...brick, version: '1.0.1' } }, false],
    'another content': [{ 'node_modules/brick': { ...brick, integrity: 'sha512-c' } }, false],
    'one too many': [{ ...PACKAGES, 'node_modules/stone': brick }, false],
  };
  const root = t.testdir({ 'package-lock.json': JSON.stringify({ packages: LOCK }) });
  t.notOk(isInstalled(root), 'no node_modules at all');
  for (const [name, [tree, complete]] of Object.entries(trees)) {
    record(root, tree);
    t.equal(isInstalled(root), complete, name);
  }
});

t.test('installs again where the Node of the lock file was left out', async (t) => {
  const { run, shadow, countInstalls } = createProject(t, '24.21.0');
  run(linux);
  rmSync(shadow);
  t.equal(run(linux), 0);
  t.equal(countInstalls(), 2);
});

t.test('musl: the Node that npm installed all the same is taken out of the way', async (t) => {
  const { run, said, shadow } = createProject(t, '24.21.0');
  t.equal(run({ ...musl, node: '24.3.0' }), 0, 'a good Node of the machine is enough');
  t.notOk(existsSync(shadow), 'and nothing hides it');
  t.equal(run(musl), 1);
  t.match(
    said.at(-1),
    /^Countersign needs Node 24, this is 20\.11\.0, .*linux x64 musl: install it \(nvm install 24 && nvm use 24\)/,
  );
  t.notMatch(said.at(-1), /\n/);
});

t.test('macOS: one line says what to do, unless Node 24 is there', async (t) => {
  const { run, said, countInstalls } = createProject(t, '24.21.0');
  t.equal(run(mac), 1);
  t.match(said.at(-1), /Node 24.*darwin arm64: install it/);
  t.equal(run({ ...mac, node: '24.0.0' }), 0);
  t.equal(run({ ...mac, node: '26.1.0' }), 0);
  t.equal(countInstalls(), 1);
});

t.test('a Node of the lock file that cannot run here, or is too old, hides nothing', async (t) => {
  for (const version of [undefined, '22.1.0']) {
    const { run, shadow } = createProject(t, version);
    t.equal(run(linux), 1);
    t.notOk(existsSync(shadow));
  }
});

t.test('a failed install ends it', async (t) => {
  const root = t.testdir({ 'package-lock.json': JSON.stringify({ packages: LOCK }) });
  const said: string[] = [];
  t.equal(preflight({ root, machine: linux, install: () => false, say: (line) => said.push(line) }), 1);
  t.match(said.at(-1), /npm ci failed/);
});

t.test('a folder with a lock of its own is looked after as well', async (t) => {
  const { root, run, said } = createProject(t, '24.21.0');
  mkdirSync(join(root, 'tools'));
  writeFileSync(join(root, 'tools/package-lock.json'), JSON.stringify({ packages: LOCK }));
  t.equal(run(linux, ['.', 'tools']), 0);
  t.match(said[2], /^Installing the dependencies of tools\//);
});

t.test('this very tree is complete, and every script begins with it', async (t) => {
  t.ok(isInstalled(ROOT));
  t.match(describeMachine(), { platform: process.platform, node: process.versions.node });
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const name of Object.keys(scripts).filter(
    (script) => !(script.startsWith('pre') && script.slice(3) in scripts) && script !== 'prepack',
  )) {
    t.match(scripts[`pre${name}`], /^"\$\{npm_node_execpath:-node\}" scripts\/preflight\.mjs/, name);
  }
  t.equal(scripts['prepack'], 'npm run -s emit', "npm's own name for what comes before a pack has no name before it");
  for (const name of ['start', 'demo', 'countersign'])
    t.match(scripts[name], /^exec node /, `SIGTERM to npm reaches ${name}`);
});

// Before every npm script, on the Node that npm runs on (20 or later): installs what is missing, sees that Node 24 comes first.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const WANTED = 24;

/** What this machine is; tests pass another. */
export function describeMachine() {
  return { platform: process.platform, arch: process.arch, libc: findLibc(), node: process.versions.node };
}

function findLibc() {
  if (process.platform !== 'linux') return undefined;
  // Without this a report asks the network for the names of open connections.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
}

/** Whether the lock file's own Node runs here. Its packages name no libc, so npm installs them under musl too. */
function bringsNode({ platform, arch, libc }) {
  return platform === 'linux' && libc === 'glibc' && (arch === 'x64' || arch === 'arm64');
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Compares the lock file with the record that npm keeps in the tree it installed: no time stamps, so neither a checkout nor
 * `npm install` of something new leads to a second install.
 */
export function isInstalled(folder) {
  const locked = readPackages(join(folder, 'package-lock.json')) ?? {};
  const present = readPackages(join(folder, 'node_modules/.package-lock.json'));
  if (!present) return false;
  const same = (path) =>
    present[path].version === locked[path].version && present[path].integrity === locked[path].integrity;
  const wanted = Object.keys(locked).filter((path) => path !== '' && !locked[path].optional);
  return wanted.every((path) => path in present) && Object.keys(present).every((path) => path in locked && same(path));
}

/** `npm ci` with the npm that called us, never on a Node inside the tree that it is about to replace. */
function runNpmCi(folder) {
  const { npm_execpath: cli = '', PATH = '', ...env } = process.env;
  const path = PATH.split(delimiter).filter((entry) => !entry.endsWith(join('node_modules', '.bin')));
  const own = basename(cli) === 'npm-cli.js';
  const command = own ? process.execPath : 'npm';
  const result = spawnSync(command, [...(own ? [cli] : []), 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env: { ...env, PATH: path.join(delimiter) },
    stdio: ['ignore', 2, 2],
  });
  return result.status === 0;
}

function readMajor(node) {
  const result = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return result.status === 0 ? Number.parseInt(result.stdout.slice(1), 10) : 0;
}

/**
 * @returns {number} the exit code
 * @param {{ root: string, folders?: string[], machine?: ReturnType<typeof describeMachine>, say?: (line: string) => void, install?: (folder: string) => boolean }} options
 */
export function preflight({
  root,
  folders = ['.'],
  machine = describeMachine(),
  say = console.error,
  install = runNpmCi,
}) {
  const shadow = join(root, 'node_modules/.bin/node');
  for (const folder of folders) {
    const complete = isInstalled(join(root, folder)) && (folder !== '.' || !bringsNode(machine) || existsSync(shadow));
    if (complete) continue;
    const what = folder === '.' ? 'dependencies' : `the dependencies of ${folder}/`;
    const began = Date.now();
    say(`Installing ${what} from the lock file ...`);
    if (!install(join(root, folder))) {
      say(`npm ci failed in ${join(root, folder)}: see above, and run the command again.`);
      return 1;
    }
    say(`Installed ${what} in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
  }
  if (bringsNode(machine) && readMajor(shadow) >= WANTED) return 0;
  // npm puts it first in the PATH of every script: one that cannot run here would hide a Node that can.
  rmSync(shadow, { force: true });
  if (Number.parseInt(machine.node, 10) >= WANTED) return 0;
  const system = [machine.platform, machine.arch, machine.libc].filter(Boolean).join(' ');
  say(
    `Countersign needs Node ${WANTED}, this is ${machine.node}, and the lock file brings none that runs on ${system}: install it (nvm install ${WANTED} && nvm use ${WANTED}) and run the command again.`,
  );
  return 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  process.exitCode = preflight({ root, folders: ['.', ...process.argv.slice(2)] });
}

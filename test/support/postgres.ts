// A private PostgreSQL cluster for tests: made in a temporary folder, on loopback, and gone with the process that made it.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findLastingPort } from './ports.ts';
import { until } from './until.ts';

export interface Cluster {
  /** Removed with the cluster. */
  dir: string;
  /** Of the superuser, to the database `postgres`. */
  url: string;
  /** Starts it again on the same data and port, after `kill` or `stop`. */
  start(): Promise<void>;
  /** Immediate shutdown, as a crash of the host would leave it: recovery runs at the next start. */
  kill(): Promise<void>;
  /** SIGSTOP to every process of the cluster: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Fast shutdown; the data stays until `remove`. */
  stop(): Promise<void>;
  /** Stops it and removes its folder. */
  remove(): Promise<void>;
}

const NOBODY = 65534;

/** The folder of `initdb` and `postgres`: in PATH, else Debian's, newest first. */
export function findPostgresBinaries(
  path = process.env.PATH ?? '',
  debian = '/usr/lib/postgresql',
): string | undefined {
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...path.split(delimiter), ...versions.map((version) => join(debian, version, 'bin'))];
  return folders.find(
    (folder) => folder !== '' && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  );
}

/** Of /proc, or of ps where there is none. */
function listChildren(pid: number): number[] {
  const table = existsSync('/proc/self/stat')
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map((name) => [Number(name), readParent(name)])
    : execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
        .split('\n')
        .map((line) => line.trim().split(/\s+/).map(Number));
  return table.filter(([, parent]) => parent === pid).map(([child]) => child ?? 0);
}

function readParent(pid: string): number | undefined {
  try {
    // The second field is a name in parentheses, which may hold anything.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** A zombie has ended, whoever is to be told of it. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^.*\) Z/s.test(existsSync('/proc/self/stat') ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '');
  } catch {
    return false;
  }
}

// The shell obeys lines on its standard input, a pipe from this process: however this process ends, the pipe closes,
// the server is killed (paused or not) and its folder removed.
// Its words to a reader that has gone must not end it before that.
const GUARD = `
trap '' PIPE
dir=$1; bin=$2; shift 2
while read -r word; do
  case $word in
    init) "$bin/initdb" -D "$dir/data" -U postgres -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --locale=C --no-sync \\
      >/dev/null && echo made || echo failed ;;
    start) "$bin/postgres" -D "$dir/data" "$@" & server=$!; echo "$server" ;;
    stop) kill -INT $server; wait $server; echo stopped ;;
  esac
done
[ -z "$server" ] || kill -CONT $server
[ -z "$server" ] || kill -QUIT $server
wait
rm -rf "$dir"
`;

/**
 * Makes and starts a cluster; fsync stays on. As root it runs as `nobody`, because PostgreSQL refuses root.
 * @throws Error when there are no binaries, or with the server's own log when it does not come up.
 */
export async function startPostgres(settings: Record<string, string> = {}): Promise<Cluster> {
  const binaries = findPostgresBinaries();
  if (!binaries)
    throw new Error('PostgreSQL was not found: install it (apt-get install postgresql), or put its initdb in PATH.');
  const dir = mkdtempSync(join(tmpdir(), 'countersign-pg-'));
  const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (owner.uid !== undefined) chownSync(dir, owner.uid, owner.gid);
  const env = { PATH: process.env.PATH ?? '', LANG: 'C', TZ: 'UTC' };
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined) chownSync(passwordFile, owner.uid, owner.gid);
  const port = await findLastingPort();
  const options = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '300',
    ...settings,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', dir, binaries, ...flags], {
    ...owner,
    env,
    cwd: dir,
    stdio: ['pipe', 'pipe', 'pipe'],
    // In a group of its own it outlives whoever kills this process's.
    detached: true,
  });
  let log = '';
  let pid = 0;
  guard.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)));
  guard.stdin.on('error', () => {});
  guard.stdout.setEncoding('utf8');
  // Nothing of the cluster keeps this process alive.
  guard.unref();
  const pipes = [guard.stdin, guard.stdout, guard.stderr] as unknown as { ref(): void; unref(): void }[];
  for (const pipe of pipes) pipe.unref();

  async function tell(word: string): Promise<string> {
    for (const pipe of pipes) pipe.ref();
    guard.stdin.write(`${word}\n`);
    const [answer] = (await once(guard.stdout, 'data')) as [string];
    for (const pipe of pipes) pipe.unref();
    return answer;
  }

  async function start(): Promise<void> {
    log = '';
    pid = Number(await tell('start'));
    const deadline = performance.now() + 120_000;
    while (!(await answers(url))) {
      if (performance.now() > deadline || log.includes('database system is shut down')) {
        throw new Error(`PostgreSQL did not start:\n${log}`);
      }
      await delay(50);
    }
  }

  async function stop(): Promise<void> {
    signal('SIGCONT');
    await tell('stop');
  }

  async function remove(): Promise<void> {
    if (guard.exitCode !== null) return;
    guard.ref();
    const gone = once(guard, 'exit');
    guard.stdin.end();
    await gone;
  }

  function signal(name: NodeJS.Signals): void {
    for (const target of [pid, ...listChildren(pid)]) {
      try {
        process.kill(target, name);
      } catch {
        // It ended in between.
      }
    }
  }

  try {
    if ((await tell('init')).trim() !== 'made') throw new Error(`initdb failed:\n${log}`);
    await start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    dir,
    url,
    start,
    stop,
    remove,
    kill: async () => {
      const children = listChildren(pid);
      signal('SIGKILL');
      await tell('stop');
      // Whoever is left holds the memory that they share, and a start beside it is refused.
      if (!(await until(() => !children.some(isRunning)))) throw new Error(`PostgreSQL goes on: ${children}`);
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

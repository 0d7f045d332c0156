// A private PgBouncer in transaction mode for tests: on loopback, in front of one PostgreSQL, gone with the process that made it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findLastingPort } from './ports.ts';

/** In PATH, else where Debian puts it. */
export function findPgbouncer(path = process.env.PATH ?? '', debian = '/usr/sbin'): string | undefined {
  return [...path.split(delimiter), debian]
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'pgbouncer'))
    .find((file) => existsSync(file));
}

export interface Pooler {
  /** Of the same database and role as the one given, through the pooler. */
  url: string;
  remove(): Promise<void>;
}

const NOBODY = 65534;

// It obeys the end of its standard input, a pipe from this process: however this process ends, the pooler and its folder go.
const GUARD = `
bin=$1; dir=$2
"$bin" -q "$dir/pgbouncer.ini" >"$dir/log" 2>&1 </dev/null & pooler=$!
read -r word
kill -TERM $pooler
wait $pooler
rm -rf "$dir"
`;

/**
 * In transaction mode, with fewer server connections than clients. As root it runs as `nobody`, because PgBouncer refuses root.
 * @param url of a database on loopback, with user and password.
 * @param settings of pgbouncer.ini beside those that stand here.
 */
export async function startPgbouncer(url: string, settings: Record<string, string> = {}): Promise<Pooler> {
  const binary = findPgbouncer();
  if (!binary) throw new Error('PgBouncer was not found: install it (apt-get install pgbouncer).');
  const server = new URL(url);
  const port = await findLastingPort();
  const dir = mkdtempSync(join(tmpdir(), 'countersign-pgbouncer-'));
  const options = {
    ...{ listen_addr: '127.0.0.1', listen_port: String(port), unix_socket_dir: '', auth_type: 'scram-sha-256' },
    ...{ auth_file: join(dir, 'users'), pool_mode: 'transaction', default_pool_size: '6', max_client_conn: '200' },
    ...settings,
  };
  const lines = Object.entries(options).map(([name, value]) => `${name} = ${value}`);
  const database = server.pathname.slice(1);
  const files = {
    'pgbouncer.ini': `[databases]\n${database} = host=${server.hostname} port=${server.port}\n\n[pgbouncer]\n${lines.join('\n')}\n`,
    users: `"${server.username}" "${decodeURIComponent(server.password)}"\n`,
  };
  const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    if (owner) chownSync(join(dir, name), owner.uid, owner.gid);
  }
  if (owner) chownSync(dir, owner.uid, owner.gid);
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', binary, dir], {
    ...owner,
    env: { PATH: process.env['PATH'] ?? '' },
    cwd: dir,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin.on('error', () => {});
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  const remove = async (): Promise<void> => {
    if (guard.exitCode !== null) return;
    guard.ref();
    const gone = once(guard, 'exit');
    guard.stdin.end();
    await gone;
  };
  const through = Object.assign(new URL(url), { port: String(port) });
  for (const end = Date.now() + 60_000; ; await delay(50)) {
    if (await answers(through.href)) return { url: through.href, remove };
    if (Date.now() < end) continue;
    const log = readFileSync(join(dir, 'log'), 'utf8');
    await remove();
    throw new Error(`PgBouncer did not start:\n${log}`);
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
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

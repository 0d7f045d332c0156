// `npm run soak:publish -- --issuers 100000`: so many issuers' documents into a directory; the first pass, one that finds nothing, one after a change.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import { createLocalKek } from '../src/keys/kek.ts';
import { insertHollowRings } from './connections.ts';
import { openPostgres } from './database.ts';
import { createHome, startService } from './service.ts';

const SEEDED_AT_ONCE = 10_000;
const SAMPLE_MS = 50;
const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

const { values } = parseArgs({ options: { issuers: { type: 'string', default: '100000' } } });
const issuers = Number(values.issuers);
if (!(issuers > 0)) throw new Error('--issuers takes a number above 0');

const postgres = await openPostgres();
const home = await createHome();

/** The command as people run it, on the host's socket: how long it took, and its memory at most. */
async function countersign(...args: string[]): Promise<{ seconds: number; megabytes: number; out: string }> {
  const began = performance.now();
  const env = { ...process.env, SOCKET_PATH: join(home.dir, 'run/s.sock'), NODE_ENV: 'production' };
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let [out, kilobytes] = ['', 0];
  child.stdout.on('data', (chunk) => (out += chunk));
  const status = `/proc/${child.pid}/status`;
  const sampling = setInterval(() => {
    const most = existsSync(status) ? /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(status, 'utf8'))?.[1] : undefined;
    kilobytes = Math.max(kilobytes, Number(most ?? 0));
  }, SAMPLE_MS);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(sampling);
  if (code !== 0) throw new Error(`countersign ${args.join(' ')} ended with ${code}: ${out}`);
  return { seconds: (performance.now() - began) / 1000, megabytes: (kilobytes * 1024) / 1e6, out };
}

try {
  const { url, database } = await postgres.createDatabase();
  await (await startService(home, url)).stop();
  const kek = createLocalKek(Buffer.from(readFileSync(home.kekFile, 'utf8').trim(), 'base64'));
  for (let from = 1; from <= issuers; from += SEEDED_AT_ONCE)
    await insertHollowRings(database.db, from, Math.min(issuers, from + SEEDED_AT_ONCE - 1), kek);
  await sql`analyze`.execute(database.db);
  const service = await startService(home, url);
  try {
    const to = join(home.dir, 'published');
    mkdirSync(to);
    await countersign('publishing', 'on', '--to', to, '--reason', 'a bench');
    const before = service.residentMegabytes() ?? 0;
    const pass = async (name: string): Promise<void> => {
      const { seconds, megabytes, out } = await countersign('publish', '--to', to, '--reason', 'a bench');
      const { written } = JSON.parse(out) as { written: number };
      const rounded = { seconds: Number(seconds.toFixed(1)), megabytes: Math.round(megabytes), written };
      console.log(JSON.stringify({ issuers, pass: name, ...rounded }));
    };
    await pass('first');
    console.log(`the service: ${before.toFixed(0)} MB before, ${service.residentMegabytes()?.toFixed(0)} MB after`);
    await pass('nothing changed');
    await countersign('key', 'rotate', 'platform', '--now', '--reason', 'a bench').catch(() => {});
    await pass('after one rotation');
  } finally {
    await service.stop();
  }
} finally {
  home.remove();
  await postgres.close();
}

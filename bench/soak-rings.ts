// `npm run soak:rings -- --rings 100000`: so many rings due at once, over several processes, with tokens asked for beside it.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import type { Db } from '../src/db/connect.ts';
import { createLocalKek } from '../src/keys/kek.ts';
import { findLastingPort } from '../test/support/ports.ts';
import { createClient, insertClients } from './clients.ts';
import { insertHollowRings } from './connections.ts';
import { openPostgres } from './database.ts';
import { openLine } from './load.ts';
import { delay, loadAt, type Phase } from './paced.ts';
import type { Started } from './processes.ts';
import { createHome, startService } from './service.ts';

const CLIENTS = 64;
const LINES = 8;
const SAMPLE_MS = 250;
const SAY_MS = 15_000;
const SEEDED_AT_ONCE = 10_000;

interface Options {
  rings: number;
  processes: number;
  /** Tokens asked for in a second. */
  perSecond: number;
  /** The longest that is waited for all of them. */
  minutes: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      rings: { type: 'string', default: '100000' },
      processes: { type: 'string', default: '3' },
      rate: { type: 'string', default: '50' },
      minutes: { type: 'string', default: '60' },
    },
  });
  const { rings, processes, rate, minutes } = values;
  const options = {
    ...{ rings: Number(rings), processes: Number(processes), perSecond: Number(rate), minutes: Number(minutes) },
  };
  for (const [name, value] of Object.entries(options))
    if (!(value > 0)) throw new Error(`--${name === 'perSecond' ? 'rate' : name} takes a number above 0`);
  return options;
}

const countDue = async (db: Db): Promise<number> => {
  const { rows } = await sql<{
    due: number;
  }>`select count(*)::int as due from rings where next_rotation_at <= now()`.execute(db);
  return rows[0]?.due ?? 0;
};

/** Of the services alone, milliseconds. */
const longestTransaction = async (db: Db): Promise<number> => {
  const { rows } = await sql<{ ms: number | null }>`
    select extract(epoch from max(clock_timestamp() - xact_start)) * 1000 as ms from pg_stat_activity
    where datname = current_database() and application_name = 'countersign'`.execute(db);
  return Number(rows[0]?.ms ?? 0);
};

const say = (line: string): void => console.log(line);
const told = ({ p50, p99, slowest, requests, refused }: Phase): object => ({
  ...{ tokens: requests, refused, p50_ms: Number(p50.toFixed(1)), p99_ms: Number(p99.toFixed(1)) },
  slowest_ms: Math.round(slowest),
});

const { rings, processes, perSecond, minutes } = readOptions();
const postgres = await openPostgres();
const home = await createHome();
const services: Started[] = [];
try {
  const { url, database } = await postgres.createDatabase();
  const { db } = database;
  const clients = Array.from({ length: CLIENTS }, createClient);
  // The first start makes the policy; every process starts with all rings there.
  await (await startService(home, url)).stop();
  await insertClients(db, clients);
  say(`${rings} rings are made; ${postgres.description}`);
  const kek = createLocalKek(Buffer.from(readFileSync(home.kekFile, 'utf8').trim(), 'base64'));
  for (let from = 1; from <= rings; from += SEEDED_AT_ONCE)
    await insertHollowRings(db, from, Math.min(rings, from + SEEDED_AT_ONCE - 1), kek);
  await sql`analyze`.execute(db);
  for (let index = 0; index < processes; index += 1) {
    const dir = join(home.dir, `replica-${index}`);
    mkdirSync(dir, { mode: 0o700 });
    const own = { DATA_DIR: dir, SOCKET_PATH: join(dir, 's.sock') };
    services.push(await startService(home, url, index === 0 ? own : { ...own, PORT: String(await findLastingPort()) }));
  }
  const lines = await Promise.all(Array.from({ length: LINES }, () => openLine(home.issuerUrl)));
  const endpoint = {
    ...{
      url: `${home.issuerUrl}/oauth2/token`,
      issuerUrl: home.issuerUrl,
      resource: `${home.issuerUrl}/v1/credentials`,
    },
  };
  const during = async (work: () => Promise<unknown>): Promise<Phase> => {
    let over = false;
    const [phase] = await Promise.all([
      loadAt(lines, clients, endpoint, { perSecond, mayRefuse: true, done: () => over }),
      work().finally(() => (over = true)),
    ]);
    return phase;
  };
  await during(() => delay(10_000));
  const calm = await during(() => delay(30_000));
  say(`without rotations: ${JSON.stringify(told(calm))}`);

  const cpu = (): number => services.reduce((sum, service) => sum + (service.cpuSeconds() ?? 0), 0);
  const [beforeMegabytes, beforeCpu] = [services.map((service) => service.residentMegabytes() ?? 0), cpu()];
  let [longest, most, left] = [0, 0, rings];
  const began = performance.now();
  const busy = await during(async () => {
    // Due since yesterday, as after a long hold: nobody has a turn of its own.
    await sql`update rings set next_rotation_at = now() - interval '1 day' where issuer <> 'platform'`.execute(db);
    let saidAt = performance.now();
    while (left > 0 && performance.now() - began < minutes * 60_000) {
      for (let sample = 0; sample < 8; sample += 1) {
        longest = Math.max(longest, await longestTransaction(db));
        most = Math.max(most, ...services.map((service) => service.residentMegabytes() ?? 0));
        await delay(SAMPLE_MS);
      }
      left = await countDue(db);
      if (performance.now() - saidAt < SAY_MS) continue;
      saidAt = performance.now();
      say(`${rings - left} of ${rings} after ${Math.round((saidAt - began) / 1000)} s`);
    }
  });
  const seconds = (performance.now() - began) / 1000;
  const { rows } = await sql<{ rotated: number }>`
    select count(*)::int as rotated from activations where seq = 1 and ring <> 'platform:ES256'`.execute(db);
  const rotated = rows[0]?.rotated ?? 0;
  say(
    JSON.stringify({
      ...{
        rings,
        processes,
        rotated,
        seconds: Math.round(seconds),
        rotations_a_second: Number((rotated / seconds).toFixed(1)),
      },
      ...{ without: told(calm), beside: told(busy), p99_ratio: Number((busy.p99 / calm.p99).toFixed(2)) },
      ...{
        longest_transaction_ms: Math.round(longest),
        megabytes_before: beforeMegabytes.map(Math.round),
        megabytes_at_most: Math.round(most),
      },
      cpu_ms_a_rotation: Number((((cpu() - beforeCpu) * 1000) / Math.max(1, rotated)).toFixed(1)),
    }),
  );
  for (const line of lines) line.close();
  process.exitCode = left === 0 ? 0 : 1;
} finally {
  await Promise.all(services.map((service) => service.stop()));
  home.remove();
  await postgres.close();
}

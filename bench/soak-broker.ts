// `npm run soak:broker -- --minutes 60`: steady load of hand-outs and exchanges; the service's memory and handles must stay flat.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type BrokerSide, startBroker } from './broker.ts';
import { openPostgres } from './database.ts';
import { openLine } from './load.ts';
import { findTrend, judgeTrend } from './trend.ts';

const WATCHED = {
  connections: 200,
  lines: 8,
  /** Each at its time, however long the one before took: what is kept in memory follows the rate. */
  perSecond: 100,
  sampleMs: 5000,
  /** A token lives for 15 minutes. */
  tokenMs: 60_000,
  /** Between two changes of policy: what nobody asks for again is forgotten five minutes after one. */
  changeMs: 30_000,
};
const MOST_MEGABYTES_AN_HOUR = 1;
const MOST_HANDLES_MORE = 2;
/** Half of it is warm-up: sessions that nobody asks for again are forgotten after five minutes and a change. */
const LEAST_MINUTES = 15;
const SAY_MINUTES = 5;

interface Sample {
  hours: number;
  /** Megabytes that live after a full collection; and those that the system counts. */
  live: number;
  resident: number;
  handles: number;
}

/** Asks until `isOver`, a token for a minute; a busy machine may refuse some. */
async function load(side: BrokerSide, isOver: () => boolean): Promise<{ requests: number; refused: number }> {
  const lines = await Promise.all(Array.from({ length: WATCHED.lines }, () => openLine(side.service.url)));
  let [requests, refused] = [0, 0];
  let token = side.fetchToken();
  const began = performance.now();
  let fetched = began;
  const changes = setInterval(() => void side.bumpEpoch(), WATCHED.changeMs);
  try {
    await Promise.all(
      lines.map(async (line) => {
        while (!isOver()) {
          const turn = requests++;
          await sleep(Math.max(0, began + (turn * 1000) / WATCHED.perSecond - performance.now()));
          if (performance.now() - fetched > WATCHED.tokenMs) {
            fetched = performance.now();
            token = side.fetchToken();
          }
          const id = side.ids[turn % WATCHED.connections] as string;
          // Nine of ten are of a session that is kept; the tenth is of one that nobody has, and nobody asks for again.
          const seconds = turn % 10 === 0 ? 900 + (Math.floor(turn / WATCHED.connections) % 2700) : 3600;
          const { status, body } = await line.ask(side.requestFor(id, seconds, await token));
          if (status === 503) refused += 1;
          else if (status !== 200) throw new Error(`the service answered ${status}: ${body.slice(0, 500)}`);
        }
      }),
    );
    return { requests, refused };
  } finally {
    clearInterval(changes);
    for (const line of lines) line.close();
  }
}

const round = (value: number): number => Number(value.toFixed(2));

/** After the warm-up, the first half of what there is. */
function findTrends(samples: readonly Sample[]) {
  const warm = samples.slice(Math.floor(samples.length / 2));
  const trendOf = (of: (sample: Sample) => number) =>
    findTrend(warm.map((sample) => ({ hours: sample.hours, value: of(sample) })));
  return { warm, live: trendOf((sample) => sample.live), resident: trendOf((sample) => sample.resident) };
}

/** What it was after the warm-up; @returns whether it is flat */
function report(minutes: number, loaded: { requests: number; refused: number }, samples: readonly Sample[]): boolean {
  const { warm, live, resident } = findTrends(samples);
  const [first, last] = [warm[0], warm.at(-1)];
  const more = (last?.handles ?? 0) - (first?.handles ?? 0);
  const memory = judgeTrend(live, MOST_MEGABYTES_AN_HOUR);
  const told = {
    ...{ minutes, ...loaded, memory },
    ...{ live_megabytes: last?.live, live_an_hour: round(live.slope), give_or_take: round(2 * live.error) },
    ...{ resident_megabytes: last?.resident, resident_an_hour: round(resident.slope) },
    ...{ resident_give_or_take: round(2 * resident.error), handles: last?.handles, handles_more: more },
  };
  process.stdout.write(`${JSON.stringify(told)}\n`);
  if (minutes < LEAST_MINUTES)
    process.stderr.write('What is kept fills for six minutes: 15 or more say whether it grows.\n');
  else if (memory === 'undecided') process.stderr.write('It was too short to tell: give it more minutes.\n');
  return memory === 'flat' && judgeTrend(resident, MOST_MEGABYTES_AN_HOUR) !== 'grows' && more <= MOST_HANDLES_MORE;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
  const minutes = Number(values.minutes);
  if (!(minutes >= 1)) {
    process.stderr.write('--minutes takes a number from 1.\n');
    return 2;
  }
  const dir = mkdtempSync(join(tmpdir(), 'countersign-soak-'));
  const memoryFile = join(dir, 'megabytes');
  const postgres = await openPostgres();
  const { connections } = WATCHED;
  const side = await startBroker(postgres, {
    ...{ connections, asked: connections, latencyMs: 20 },
    env: {
      NODE_OPTIONS: `--expose-gc --import=${pathToFileURL(join(import.meta.dirname, 'servers/live-memory.ts'))}`,
      MEMORY_FILE: memoryFile,
    },
  });
  const began = performance.now();
  const isOver = (): boolean => performance.now() - began > minutes * 60_000;
  const samples: Sample[] = [];
  let saidAt = 0;
  try {
    const loaded = load(side, isOver);
    while (!isOver()) {
      await Promise.race([sleep(WATCHED.sampleMs + 500), loaded]);
      samples.push({
        hours: (performance.now() - began) / 3_600_000,
        live: Number(readFileSync(memoryFile, 'utf8')),
        resident: side.service.residentMegabytes() ?? Number.NaN,
        handles: side.service.openFiles(),
      });
      const passed = Math.floor((performance.now() - began) / 60_000);
      const { live, resident, handles } = samples.at(-1) as Sample;
      if (passed < saidAt + SAY_MINUTES) continue;
      saidAt = passed;
      const trend = findTrends(samples).live;
      process.stderr.write(
        `minute ${passed} of ${minutes}: ${live} MB live (its later half ${round(trend.slope)} +- ${round(2 * trend.error)} MB an hour), ${resident} MB resident, ${handles} handles\n`,
      );
    }
    return report(minutes, await loaded, samples) ? 0 : 1;
  } finally {
    await side.stop();
    await postgres.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main();

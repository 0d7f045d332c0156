// `npm run soak:broker -- --minutes 60`: steady load of hand-outs and exchanges; the service's memory and handles must stay flat, and its answers come.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type BrokerSide, startBroker } from './broker.ts';
import { openPostgres } from './database.ts';
import { openLine } from './load.ts';
import { findTrends, judgeSoak, type Loaded, type Sample, type Verdict } from './verdict.ts';

const WATCHED = {
  connections: 200,
  lines: 8,
  /** Each at its time, however long the one before took: what is kept in memory follows the rate. */
  perSecond: 100,
  /** What is sent later than this came in a bunch with others; a full collection takes far less. */
  lateMs: 1000,
  /** The service measures itself every five seconds. */
  lookMs: 1000,
  /** A token lives for 15 minutes. */
  tokenMs: 60_000,
  /** Between two changes of policy: what nobody asks for again is forgotten five minutes after one. */
  changeMs: 30_000,
};
/** What V8 chooses by itself in a container of 1 GiB, the limit of deploy/: on a large host its young heap is far larger. */
const HEAP = '--max-semi-space-size=4 --max-old-space-size=524';
/** Half of it is warm-up: sessions that nobody asks for again are forgotten after five minutes and a change. */
const LEAST_MINUTES = 15;
const SAY_MINUTES = 5;

/** Asks until `isOver`, a token for a minute; a busy machine may refuse some. @returns what was late in the judged half alone */
async function load(
  side: BrokerSide,
  isOver: () => boolean,
  isWarm: () => boolean,
): Promise<Pick<Loaded, 'requests' | 'refused' | 'late'>> {
  const lines = await Promise.all(Array.from({ length: WATCHED.lines }, () => openLine(side.service.url)));
  let [requests, refused, late] = [0, 0, 0];
  let token = side.fetchToken();
  const began = performance.now();
  let fetched = began;
  const changes = setInterval(() => void side.bumpEpoch(), WATCHED.changeMs);
  try {
    await Promise.all(
      lines.map(async (line) => {
        while (!isOver()) {
          const turn = requests++;
          const due = began + (turn * 1000) / WATCHED.perSecond;
          await sleep(Math.max(0, due - performance.now()));
          if (isWarm() && performance.now() - due > WATCHED.lateMs) late += 1;
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
    return { requests, refused, late };
  } finally {
    clearInterval(changes);
    for (const line of lines) line.close();
  }
}

/** What it was after the warm-up; @returns whether all was as it should be */
function report({ good, why, figures }: Verdict): boolean {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  for (const one of why) process.stderr.write(`${one}\n`);
  return good;
}

function say({ warm, live, resident }: ReturnType<typeof findTrends>): string {
  const each = Object.entries({ live, resident }).map(
    ([name, { megabytes, an_hour, give_or_take }]) =>
      `${megabytes} MB ${name} (in the later half ${an_hour} +- ${give_or_take} an hour)`,
  );
  return [...each, `${warm.at(-1)?.handles} handles`].join(', ');
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
  const minutes = Number(values.minutes);
  if (!(minutes >= LEAST_MINUTES)) {
    process.stderr.write(`--minutes takes a number from ${LEAST_MINUTES}: what is kept fills for six minutes.\n`);
    return 2;
  }
  const dir = mkdtempSync(join(tmpdir(), 'countersign-soak-'));
  const memoryFile = join(dir, 'megabytes');
  const postgres = await openPostgres();
  const { connections } = WATCHED;
  const side = await startBroker(postgres, {
    ...{ connections, asked: connections, latencyMs: 20 },
    env: {
      NODE_OPTIONS: `${HEAP} --expose-gc --import=${pathToFileURL(join(import.meta.dirname, 'servers/live-memory.ts'))}`,
      MEMORY_FILE: memoryFile,
    },
  });
  const began = performance.now();
  const isAfter = (passed: number): boolean => performance.now() - began > passed * 60_000;
  const isOver = (): boolean => isAfter(minutes);
  const samples: Sample[] = [];
  let said = 0;
  try {
    const loaded = load(side, isOver, () => isAfter(minutes / 2));
    while (!isOver()) {
      await Promise.race([sleep(WATCHED.lookMs), loaded]);
      if (!existsSync(memoryFile)) continue;
      const measured: Omit<Sample, 'handles'> = JSON.parse(readFileSync(memoryFile, 'utf8'));
      if (measured.at === samples.at(-1)?.at) continue;
      samples.push({ ...measured, handles: side.service.openFiles() });
      const passed = Math.floor((performance.now() - began) / 60_000);
      if (passed < said + SAY_MINUTES) continue;
      said = passed;
      process.stderr.write(`minute ${passed} of ${minutes}: ${say(findTrends(samples))}\n`);
    }
    const { perSecond } = WATCHED;
    return report(judgeSoak({ minutes, perSecond, ...(await loaded) }, samples)) ? 0 : 1;
  } finally {
    await side.stop();
    await postgres.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main();

// `npm run soak:broker -- --minutes 60`: steady load of hand-outs and exchanges; the service's memory and handles must stay flat.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { askFor, startBroker } from './broker.ts';
import { openPostgres } from './database.ts';
import { openLine } from './load.ts';

const CONNECTIONS = 200;
const LINES = 8;
/** Between two requests of a line, milliseconds: a load that is steady, and no race. */
const PAUSE_MS = 20;
const SAMPLE_MS = 5000;
const MOST_MEGABYTES_AN_HOUR = 1;

interface Sample {
  hours: number;
  megabytes: number;
  handles: number;
}

/** Least squares, megabytes an hour. */
function slope(samples: readonly Pick<Sample, 'hours' | 'megabytes'>[]): number {
  const mean = (of: (sample: Pick<Sample, 'hours' | 'megabytes'>) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ hours }) => hours), mean(({ megabytes }) => megabytes)];
  const over = samples.reduce((sum, { hours, megabytes }) => sum + (hours - x) * (megabytes - y), 0);
  return over / samples.reduce((sum, { hours }) => sum + (hours - x) ** 2, 0);
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) {
    process.stderr.write('--minutes takes a number above 0.\n');
    return 2;
  }
  const postgres = await openPostgres();
  const side = await startBroker(postgres, { connections: CONNECTIONS, asked: CONNECTIONS, latencyMs: 20 });
  const lines = await Promise.all(Array.from({ length: LINES }, () => openLine(side.service.url)));
  let asked = 0;
  let over = false;
  const load = lines.map(async (line) => {
    while (!over) {
      const turn = asked++;
      const id = side.ids[turn % CONNECTIONS] as string;
      // Nine of ten are kept; the keys of the tenth come round, so that the number of sessions that are kept does, too.
      await askFor(line, side.requestFor(id, turn % 10 === 0 ? 900 + (Math.floor(turn / CONNECTIONS) % 5) : 3600));
      await sleep(PAUSE_MS);
    }
  });
  const samples: Sample[] = [];
  const began = performance.now();
  try {
    while (performance.now() - began < minutes * 60_000) {
      await Promise.race([sleep(SAMPLE_MS), Promise.all(load)]);
      const megabytes = side.service.residentMegabytes() ?? Number.NaN;
      const handles = side.service.openFiles();
      samples.push({ hours: (performance.now() - began) / 3_600_000, megabytes, handles });
    }
    over = true;
    await Promise.all(load);
  } finally {
    over = true;
    for (const line of lines) line.close();
    await side.stop();
    await postgres.close();
  }
  // The first half is the warm-up.
  const warm = samples.slice(Math.floor(samples.length / 2));
  const grown = slope(warm);
  const handles = (warm.at(-1)?.handles ?? 0) - (warm[0]?.handles ?? 0);
  process.stdout.write(
    `${JSON.stringify({ minutes, requests: asked, megabytes: warm.at(-1)?.megabytes, megabytes_an_hour: Number(grown.toFixed(2)), handles: warm.at(-1)?.handles, handles_more: handles })}\n`,
  );
  return grown <= MOST_MEGABYTES_AN_HOUR && handles <= 2 ? 0 : 1;
}

process.exitCode = await main();

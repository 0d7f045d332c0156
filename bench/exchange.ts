// exchange_share_growth: the broker's own share of one exchange, with one connection registered and with very many.
import { askFor, type BrokerSide, startBroker } from './broker.ts';
import { median, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';

/** Lengths of sessions, so that each request is for one that is not kept: a connection's come round after so many. */
const LENGTHS = 2700;
/** In turn: one alone may begin a quarter of what a connection may. */
const WORKLOADS = 4;
/** Where many are: of these, so that none of them is asked more often than one workload may. */
const WARMED = 4;

interface Side extends BrokerSide {
  next: number;
  /** One of each workload. */
  tokens: string[];
  /** Milliseconds of the broker's own share, the median of a round. */
  shares: number[];
}

/** One exchange; @returns milliseconds from request to answer. */
async function exchangeOnce(side: Side): Promise<number> {
  const turn = side.next++;
  const id = side.ids[turn % side.ids.length] as string;
  const seconds = 900 + (Math.floor(turn / side.ids.length) % LENGTHS);
  const request = side.requestFor(id, seconds, side.tokens[turn % side.tokens.length]);
  const started = performance.now();
  await askFor(side.line, request);
  return performance.now() - started;
}

/** Asks both sides in turn, one exchange at a time; @returns each side's median without what its STS took. */
async function runRound(sides: readonly Side[], exchanges: number): Promise<number[]> {
  const before = await Promise.all(sides.map((side) => side.spent()));
  const totals: number[][] = sides.map(() => []);
  for (let turn = 0; turn < exchanges; turn += 1) {
    for (const [index, side] of sides.entries()) totals[index]?.push(await exchangeOnce(side));
  }
  const after = await Promise.all(sides.map((side) => side.spent()));
  return totals.map((times, index) => {
    const [start, end] = [before[index], after[index]] as [
      { calls: number; milliseconds: number },
      { calls: number; milliseconds: number },
    ];
    return median(times) - (end.milliseconds - start.milliseconds) / (end.calls - start.calls);
  });
}

/** The first exchange of each connection in this process, but of those that were warmed: its private key is read and decrypted on the way. */
async function askEachOnce(side: Side): Promise<number> {
  const times: number[] = [];
  side.next = WARMED;
  for (let turn = WARMED; turn < side.ids.length; turn += 1) times.push(await exchangeOnce(side));
  return median(times);
}

const milliseconds = (value: number): string => `${value.toFixed(2)} ms`;

export async function measureExchange({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, exchanges, many, asked] = quick ? [1, 10, 500, 5] : [9, 200, 100_000, 500];
  const sides: Side[] = [];
  try {
    for (const [connections, spread] of [
      [1, 1],
      [many, asked],
    ] as const) {
      // Where all is asked of one connection.
      const workloads = connections === 1 ? WORKLOADS : 1;
      const side = await startBroker(postgres, { connections, asked: spread, workloads });
      const tokens: string[] = [];
      while (tokens.length < workloads) tokens.push(await side.fetchToken(tokens.length));
      sides.push({ ...side, next: 0, shares: [], tokens });
      say(`${connections} registered`);
    }
    const [one, all] = sides as [Side, Side];
    // Code is warmed by the side that has one connection to ask; then nothing but keys is cold at the other.
    for (let turn = 0; turn < (quick ? 10 : 300); turn += 1) await exchangeOnce(one);
    for (let turn = 0; turn < (quick ? 10 : 300); turn += 1)
      await askFor(all.line, all.requestFor(all.ids[turn % WARMED] as string, 3600 - turn));
    const cold = await askEachOnce(all);
    const runs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const [small, large] = (await runRound(round % 2 === 1 ? [one, all] : [all, one], exchanges)) as [number, number];
      const [ofOne, ofAll] = round % 2 === 1 ? [small, large] : [large, small];
      one.shares.push(ofOne);
      all.shares.push(ofAll);
      runs.push(ofAll / ofOne);
      say(`round ${round} of ${rounds}: ${runs.at(-1)?.toFixed(2)}`);
    }
    return {
      ...{ name: 'exchange_share_growth', ratio: median(runs), runs, target: { atMost: 1.2 } },
      baseline: `milliseconds of one exchange less its STS's own, one at a time, ${many} connections registered (${asked} of them asked in turn) against 1`,
      figures: {
        'with 1': milliseconds(median(one.shares)),
        [`with ${many}`]: milliseconds(median(all.shares)),
        [`with ${many}, the first of each connection in this process`]: `${milliseconds(cold)} (its private key is read and decrypted; not in the ratio)`,
        warm: 'public keys of every ring in memory (as in production), private keys of those asked in memory, prepared by one exchange each; database pages as they come',
      },
    };
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

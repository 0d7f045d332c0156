// Whether a soak went well: memory and handles flat after the warm-up, next to nothing refused, and asked as often and as evenly as it was to be.
import { findTrend, judgeTrend } from './trend.ts';

export interface Sample {
  /** Milliseconds since the service started. */
  at: number;
  /** After a full collection, megabytes: what lives in it, and what the system counts. */
  live: number;
  resident: number;
  /** Of the service, open; 0 where this system does not tell. */
  handles: number;
}

export interface Loaded {
  minutes: number;
  /** That were to be asked. */
  perSecond: number;
  requests: number;
  refused: number;
  /** After the warm-up, sent more than a second after their time. */
  late: number;
}

export interface Verdict {
  good: boolean;
  /** A sentence for each that is not as it should be. */
  why: string[];
  figures: Record<string, unknown>;
}

const MOST_MEGABYTES_AN_HOUR = 1;
/** Of the fewest at a time: one that leaked is never away again, and sockets come and go. */
const MOST_HANDLES_MORE = 2;
/** More than the one connection that a pool may open late. */
const MOST_HANDLES_AN_HOUR = 2;
const HANDLES_AT_A_TIME_MS = 120_000;
/** Then handles are those of the load; memory takes longer. */
const HANDLES_SETTLED_MS = 600_000;
const MOST_REFUSED = 1 / 1000;
const LEAST_OF_RATE = 0.95;
/** Of what is asked after the warm-up: a load that comes in bunches is not steady, and takes memory that this one does not. */
const MOST_LATE = 1 / 100;
const HOUR_MS = 3_600_000;

const round = (value: number): number => Number(value.toFixed(2));
const fewest = (of: readonly Sample[]): number => Math.min(...of.map((sample) => sample.handles));

/** After the warm-up, the first half of what there is. */
export function findTrends(samples: readonly Sample[]) {
  const warm = samples.slice(Math.floor(samples.length / 2));
  const trendOf = (of: (sample: Sample) => number) => {
    const trend = findTrend(warm.map((sample) => ({ hours: sample.at / HOUR_MS, value: of(sample) })));
    const told = { megabytes: round(of(warm.at(-1) as Sample)), an_hour: round(trend.slope) };
    return { judged: judgeTrend(trend, MOST_MEGABYTES_AN_HOUR), ...told, give_or_take: round(2 * trend.error) };
  };
  return { warm, live: trendOf((sample) => sample.live), resident: trendOf((sample) => sample.resident) };
}

/** By the fewest of each two minutes. */
function findHandles(samples: readonly Sample[], warm: readonly Sample[]) {
  const from = Math.min(HANDLES_SETTLED_MS, (samples.at(-1) as Sample).at / 2);
  const times = Map.groupBy(
    samples.filter(({ at }) => at >= from),
    ({ at }) => Math.floor((at - from) / HANDLES_AT_A_TIME_MS),
  );
  const points = [...times].map(([time, of]) => ({
    hours: (time * HANDLES_AT_A_TIME_MS) / HOUR_MS,
    value: fewest(of),
  }));
  const trend = findTrend(points);
  const third = Math.floor(warm.length / 3);
  const last = fewest(warm.slice(-third));
  return {
    judged: judgeTrend(trend, MOST_HANDLES_AN_HOUR),
    ...{ fewest: last, more: last - fewest(warm.slice(0, third)) },
    ...{ an_hour: round(trend.slope), give_or_take: round(2 * trend.error) },
  };
}

/** @param samples three or more, over six minutes at the least */
export function judgeSoak(
  { minutes, perSecond, requests, refused, late }: Loaded,
  samples: readonly Sample[],
): Verdict {
  const { warm, live, resident } = findTrends(samples);
  const handles = findHandles(samples, warm);
  const rate = requests / minutes / 60;
  const demands: [held: boolean, otherwise: string][] = [
    ...Object.entries({ live, resident, handles }).map(([name, { judged }]): [boolean, string] => [
      judged === 'flat',
      judged === 'grows' ? `${name}: grows.` : `${name}: it was too short to tell, give it more minutes.`,
    ]),
    [fewest(samples) > 0, 'handles: nobody counted them.'],
    [handles.more <= MOST_HANDLES_MORE, `handles: ${handles.more} more in the end.`],
    [refused <= requests * MOST_REFUSED, `load: ${refused} of ${requests} were refused.`],
    [late <= (requests / 2) * MOST_LATE, `load: ${late} were sent late, so this machine was too busy to judge memory.`],
    [rate >= LEAST_OF_RATE * perSecond, `load: ${round(rate)} a second, where ${perSecond} were to be asked.`],
  ];
  const why = demands.filter(([held]) => !held).map(([, otherwise]) => otherwise);
  const figures = { minutes, requests, refused, late, per_second: round(rate), live, resident, handles };
  return { good: why.length === 0, why, figures };
}

// refusal_vs_handout: what is refused, which SDKs ask again three or four times, against a session that is handed out.
import { askFor, startBroker } from './broker.ts';
import { median, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';
import { type Pace, type Side, takeTurns } from './turns.ts';

const DENIED_SECONDS = 901;

export async function measureRefusals({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 300, 8] : [5, 10_000, 256];
  const side = await startBroker(postgres, { connections: 1, asked: 1, deniedSeconds: DENIED_SECONDS });
  const { service, line, fetchToken, ids, requestFor } = side;
  const id = ids[0] as string;
  await askFor(line, requestFor(id));
  const { url } = service;
  const refusals: Record<string, Side> = {
    'a connection that nobody granted': {
      ...{ url, expected: 404, request: (token) => requestFor(`cn_${'a'.repeat(26)}`, 3600, token) },
    },
    'what AWS denied a moment ago': {
      ...{ url, expected: 403, request: (token) => requestFor(id, DENIED_SECONDS, token) },
    },
  };
  const names = Object.keys(refusals);
  /** Of the slowest kind. */
  const ratioOf = ([handout, ...refused]: readonly Pace[]): number =>
    Math.min(...refused.map(({ rate }) => rate)) / (handout?.rate ?? 0);
  try {
    const paces = await takeTurns(
      [{ url, request: (token) => requestFor(id, 3600, token) }, ...Object.values(refusals)],
      {
        ...{ rounds, requests, connections, fetchToken },
        told: (round, all) => say(`round ${round} of ${rounds}: ${ratioOf(all).toFixed(2)}`),
      },
    );
    const runs = paces.map(ratioOf);
    const rateOf = (index: number): string => `${median(paces.map((all) => all[index]?.rate ?? 0)).toFixed(0)}/s`;
    const { calls } = await side.spent();
    return {
      ...{ name: 'refusal_vs_handout', ratio: median(runs), runs, target: { atLeast: 1 } },
      baseline: 'refusals/s of the slowest kind, against hand-outs/s of one session that is kept, by the same service',
      figures: {
        'hand-outs': rateOf(0),
        ...Object.fromEntries(names.map((name, index) => [name, rateOf(index + 1)])),
        'calls to STS': String(calls),
        load: `${connections} connections with a token each, ${requests} requests of each kind a round, one warm-up round; the first refusal of a kind in a minute is a row, the rest one row with their count`,
      },
    };
  } finally {
    await side.stop();
  }
}

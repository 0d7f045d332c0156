// handout_vs_verifying_route: a session that is kept, handed out: token verified, authorization read, row durable.
import { askFor, startBroker } from './broker.ts';
import { buildRequest, sendTimed } from './load.ts';
import { startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';

const percentile = (times: readonly number[], share: number): number =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))] as number;

export async function measureHandouts({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 300, 8] : [9, 20_000, 256];
  const side = await startBroker(postgres, { connections: 1, asked: 1 });
  const { service, line, token, ids, requestFor } = side;
  const request = requestFor(ids[0] as string);
  const { body } = await askFor(line, request);
  const jwks = (await askFor(line, buildRequest(`${service.url}/jwks`, 'GET'))).body;
  const baseline = await startServer('verifying-route', {
    ...{ BODY: body, JWKS: jwks, ISSUER: service.url, AUDIENCE: `${service.url}/v1/credentials` },
  });
  const plain = buildRequest(`${baseline.url}/credentials`, 'GET', { authorization: `Bearer ${token}` });
  const sides = [
    { url: service.url, request, rates: [] as number[], last: [] as number[] },
    { url: baseline.url, request: plain, rates: [] as number[], last: [] as number[] },
  ];
  const runs: number[] = [];
  try {
    for (let round = 0; round <= rounds; round += 1) {
      for (const one of round % 2 === 1 ? sides : sides.toReversed()) {
        const { seconds, times } = await sendTimed(one.url, new Array<Buffer>(requests).fill(one.request), connections);
        // Round 0 is the warm-up.
        if (round === 0) continue;
        one.rates.push(requests / seconds);
        one.last.push(percentile(times, 0.99));
      }
      if (round === 0) continue;
      const [ours, theirs] = sides.map(({ rates }) => rates.at(-1)) as [number, number];
      runs.push(ours / theirs);
      say(`round ${round} of ${rounds}: ${(ours / theirs).toFixed(2)}`);
    }
    const [ours, theirs] = sides.map(
      ({ rates, last }) => `${median(rates).toFixed(0)}/s, p99 ${median(last).toFixed(1)} ms`,
    ) as [string, string];
    const { calls } = await side.spent();
    return {
      ...{ name: 'handout_vs_verifying_route', ratio: median(runs), runs, target: { atLeast: 0.6 } },
      baseline:
        'hand-outs/s of one session that is kept, against a Fastify route that verifies the same token with jose',
      figures: {
        ...{ countersign: ours, 'the route': theirs, 'calls to STS': String(calls) },
        load: `${connections} connections, ${requests} requests a round, one warm-up round; each hand-out a row of its own on PostgreSQL`,
      },
    };
  } finally {
    await Promise.all([side.stop(), baseline.stop()]);
  }
}

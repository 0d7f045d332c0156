// handout_vs_verifying_route: a session that is kept, handed out: token verified, authorization read, row durable.
import { askFor, startBroker } from './broker.ts';
import { buildRequest, sendTimed } from './load.ts';
import { startServer } from './processes.ts';
import { median, percentile, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';

export async function measureHandouts({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 300, 8] : [9, 20_000, 256];
  const side = await startBroker(postgres, { connections: 1, asked: 1 });
  const { service, line, fetchToken, ids, requestFor } = side;
  const id = ids[0] as string;
  const { body } = await askFor(line, requestFor(id));
  const jwks = (await askFor(line, buildRequest(`${service.url}/jwks`, 'GET'))).body;
  const baseline = await startServer('verifying-route', {
    ...{ BODY: body, JWKS: jwks, ISSUER: service.url, AUDIENCE: `${service.url}/v1/credentials` },
  });
  const plain = (token: string): Buffer =>
    buildRequest(`${baseline.url}/credentials`, 'GET', { authorization: `Bearer ${token}` });
  const sides = [
    {
      url: service.url,
      request: (token: string) => requestFor(id, 3600, token),
      rates: [] as number[],
      last: [] as number[],
    },
    { url: baseline.url, request: plain, rates: [] as number[], last: [] as number[] },
  ];
  const runs: number[] = [];
  try {
    for (let round = 0; round <= rounds; round += 1) {
      // A token of its own for each caller, new in each round: the first hand-out of each has its signature to verify.
      const tokens: string[] = [];
      while (tokens.length < connections) tokens.push(await fetchToken());
      for (const one of round % 2 === 1 ? sides : sides.toReversed()) {
        const asked = tokens.map(one.request);
        const all = Array.from({ length: requests }, (_, index) => asked[index % connections] as Buffer);
        const { seconds, times } = await sendTimed(one.url, all, connections);
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
        'hand-outs/s of one session that is kept, against a Fastify route that verifies the same tokens with jose',
      figures: {
        ...{ countersign: ours, 'the route': theirs, 'calls to STS': String(calls) },
        load: `${connections} connections with a token each, ${requests} requests a round, one warm-up round; each hand-out a row of its own on PostgreSQL; the service remembers that a token's signature was verified`,
      },
    };
  } finally {
    await Promise.all([side.stop(), baseline.stop()]);
  }
}

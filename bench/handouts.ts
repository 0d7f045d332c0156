// handout_vs_verifying_route: a session that is kept, handed out: token verified, authorization read, row durable.
import { askFor, startBroker } from './broker.ts';
import { buildRequest } from './load.ts';
import { startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';
import { type Pace, takeTurns } from './turns.ts';

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
  const ratioOf = ([ours, theirs]: readonly Pace[]): number => (ours?.rate ?? 0) / (theirs?.rate ?? 0);
  try {
    // A token of its own for each caller, new in each round: the first hand-out of each has its signature to verify.
    const paces = await takeTurns(
      [
        { url: service.url, request: (token) => requestFor(id, 3600, token) },
        { url: baseline.url, request: plain },
      ],
      {
        ...{ rounds, requests, connections, fetchToken },
        told: (round, both) => say(`round ${round} of ${rounds}: ${ratioOf(both).toFixed(2)}`),
      },
    );
    const runs = paces.map(ratioOf);
    const [ours, theirs] = [0, 1].map((index) => {
      const own = paces.map((both) => both[index] as Pace);
      return `${median(own.map(({ rate }) => rate)).toFixed(0)}/s, p99 ${median(own.map(({ p99 }) => p99)).toFixed(1)} ms`;
    }) as [string, string];
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

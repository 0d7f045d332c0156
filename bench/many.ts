// many_connections_vs_stub: sessions of very many connections, each asked once, against the SDK alone at the same STS.
import { createAwsSts } from '../src/clouds/aws.ts';
import { startBroker } from './broker.ts';
import { sendAll } from './load.ts';
import { median, type Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';

const LATENCY_MS = 150;
const AT_ONCE = 40;

/** @returns calls a second */
async function callDirectly(stubUrl: string, calls: number): Promise<number> {
  const sts = createAwsSts({ endpointUrl: stubUrl });
  const input = {
    ...{ region: 'us-east-1', roleArn: 'arn:aws:iam::000000000001:role/countersign', roleSessionName: 'bench' },
    ...{ token: 't'.repeat(900), durationSeconds: 3600 },
  };
  let left = calls;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await sts.assumeRoleWithWebIdentity(input);
    }),
  );
  sts.close();
  return calls / ((performance.now() - started) / 1000);
}

export async function measureMany({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, connections, direct] = quick ? [1, 80, 80] : [3, 10_000, 2000];
  // Others in each round: when a session is fetched anew after half an hour, its key is not in memory any more.
  const all = rounds * connections;
  const side = await startBroker(postgres, { connections: all, asked: all, latencyMs: LATENCY_MS });
  const { service, stub, ids, requestFor, spent } = side;
  say(`${all} registered`);
  const runs: number[] = [];
  const rates: [number[], number[]] = [[], []];
  try {
    await callDirectly(stub.url, AT_ONCE);
    for (let round = 1; round <= rounds; round += 1) {
      const theirs = await callDirectly(stub.url, direct);
      const requests = ids.slice((round - 1) * connections, round * connections).map((id) => requestFor(id));
      const before = await spent();
      const ours = connections / (await sendAll(service.url, requests, AT_ONCE));
      const calls = (await spent()).calls - before.calls;
      if (calls < connections) throw new Error(`STS was asked ${calls} times for ${connections} sessions`);
      rates[0].push(ours);
      rates[1].push(theirs);
      runs.push(ours / theirs);
      say(`round ${round} of ${rounds}: ${(ours / theirs).toFixed(2)}`);
    }
    return {
      ...{ name: 'many_connections_vs_stub', ratio: median(runs), runs, target: { atLeast: 0.9 } },
      baseline: `sessions/s of ${connections} connections asked in turn, ${AT_ONCE} at a time, against the same SDK calling the same stub of STS`,
      figures: {
        countersign: `${median(rates[0]).toFixed(0)}/s`,
        'the SDK': `${median(rates[1]).toFixed(0)}/s`,
        load: `STS at ${LATENCY_MS} ms; each connection's private key is read and decrypted on the way`,
      },
    };
  } finally {
    await side.stop();
  }
}

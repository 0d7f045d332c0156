// cold_fanout_sts_calls, cold_fanout_extra_ms: a thousand callers at once for a session that nobody has.
import { startBroker } from './broker.ts';
import { openLine } from './load.ts';
import type { Result } from './report.ts';
import type { Surroundings } from './surroundings.ts';

const LATENCY_MS = 150;

export async function measureFanout({ postgres, quick, say }: Surroundings): Promise<{ calls: Result; extra: Result }> {
  const [rounds, callers] = quick ? [1, 50] : [9, 1000];
  const side = await startBroker(postgres, { connections: 1, asked: 1, latencyMs: LATENCY_MS });
  const { service, ids, requestFor, spent } = side;
  const lines = await Promise.all(Array.from({ length: callers }, () => openLine(service.url)));
  const [calls, extra]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round <= rounds; round += 1) {
      // A token of its own for each caller, new in each round: each has its signature to verify.
      const requests: Buffer[] = [];
      while (requests.length < callers)
        requests.push(requestFor(ids[0] as string, 1800 + round, await side.fetchToken()));
      const before = await spent();
      const started = performance.now();
      const answers = await Promise.all(lines.map((line, nth) => line.ask(requests[nth] as Buffer)));
      const elapsed = performance.now() - started;
      const after = await spent();
      const failed = answers.find(({ status }) => status !== 200);
      if (failed) throw new Error(`the service answered ${failed.status}: ${failed.body.slice(0, 500)}`);
      if (after.calls === before.calls) throw new Error('STS was not asked');
      // Round 0 is the warm-up.
      if (round === 0) continue;
      calls.push(after.calls - before.calls);
      extra.push(elapsed - (after.milliseconds - before.milliseconds) / (after.calls - before.calls));
      say(`round ${round} of ${rounds}: ${calls.at(-1)} calls, ${extra.at(-1)?.toFixed(0)} ms more`);
    }
    const load = `${callers} callers, each on a connection of its own with a token of its own that was not shown before, STS at ${LATENCY_MS} ms, one warm-up round`;
    return {
      calls: {
        ...{ name: 'cold_fanout_sts_calls', ratio: Math.max(...calls), runs: calls, target: { atMost: 1 } },
        ...{ baseline: 'calls to STS for all callers in the worst of the rounds, against one', figures: { load } },
      },
      extra: {
        ...{ name: 'cold_fanout_extra_ms', ratio: Math.max(...extra), runs: extra, target: { atMost: 250 } },
        baseline:
          'milliseconds from the first request to the last answer in the worst of the rounds, against what STS took',
        figures: { load },
      },
    };
  } finally {
    for (const line of lines) line.close();
    await side.stop();
  }
}

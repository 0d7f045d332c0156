// Token requests at a steady rate: each timed from when it was due, so that who is held up holds up nobody's clock.
import { type BenchClient, buildTokenRequest, type TokenEndpoint } from './clients.ts';
import type { Line } from './load.ts';
import { percentile } from './report.ts';

export interface Phase {
  /** The middle one, the slowest of a hundred, and the slowest; milliseconds. */
  p50: number;
  p99: number;
  slowest: number;
  requests: number;
  /** Answered 503, where that is not a fault. */
  refused: number;
  seconds: number;
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** So many requests a second until `done`, each timed from when it was due: who is held up holds up nobody's clock. */
export async function loadAt(
  lines: readonly Line[],
  clients: readonly BenchClient[],
  endpoint: TokenEndpoint,
  options: { perSecond: number; mayRefuse?: boolean; done: () => boolean },
): Promise<Phase> {
  const times: number[] = [];
  const started = performance.now();
  let [next, refused] = [0, 0];
  await Promise.all(
    lines.map(async (line) => {
      while (!options.done()) {
        const number = next++;
        const due = started + (number * 1000) / options.perSecond;
        const request = buildTokenRequest(clients[number % clients.length] as BenchClient, endpoint);
        await delay(Math.max(0, due - performance.now()));
        const begun = Math.max(due, started);
        const { status, body } = await line.ask(request);
        if (status === 503 && options.mayRefuse) refused += 1;
        else if (status !== 200) throw new Error(`the service answered ${status}: ${body.slice(0, 500)}`);
        times.push(performance.now() - begun);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  return {
    ...{ p50: percentile(times, 0.5), p99: percentile(times, 0.99), slowest: percentile(times, 1) },
    ...{ requests: times.length, refused, seconds },
  };
}

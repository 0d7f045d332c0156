// Sides that are asked the same in turn: requests in a second, and what the slowest waited, a round for each.
import { sendTimed } from './load.ts';
import { percentile } from './report.ts';

export interface Side {
  url: string;
  request(token: string): Buffer;
  /** The status of every answer; 200 unless given. */
  expected?: number;
}

export interface Pace {
  /** Requests in a second. */
  rate: number;
  /** Milliseconds below which 99 of 100 are answered. */
  p99: number;
}

export interface TurnsOptions {
  rounds: number;
  /** Of each side in a round. */
  requests: number;
  connections: number;
  /** A new token: one for each connection in each round. */
  fetchToken(): Promise<string>;
  /** Told of each round when it is over. */
  told(round: number, paces: readonly Pace[]): void;
}

/** After a round for warming up. The side that begins changes. @returns the paces of each round, in the order of the sides */
export async function takeTurns(
  sides: readonly Side[],
  { rounds, requests, connections, fetchToken, told }: TurnsOptions,
): Promise<Pace[][]> {
  const all: Pace[][] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const tokens: string[] = [];
    while (tokens.length < connections) tokens.push(await fetchToken());
    const paces = new Map<Side, Pace>();
    for (const side of round % 2 === 1 ? sides : sides.toReversed()) {
      const asked = tokens.map((token) => side.request(token));
      const each = Array.from({ length: requests }, (_, index) => asked[index % connections] as Buffer);
      const { seconds, times } = await sendTimed(side.url, each, connections, side.expected);
      paces.set(side, { rate: requests / seconds, p99: percentile(times, 0.99) });
    }
    if (round === 0) continue;
    const inOrder = sides.map((side) => paces.get(side) as Pace);
    all.push(inOrder);
    told(round, inOrder);
  }
  return all;
}

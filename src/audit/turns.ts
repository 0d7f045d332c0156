// One at a time, in the order of asking: what moves the head of a stream. Changes wait for their turn in bounded number and time.
import type { Clock } from '../clock.ts';
import { unavailable } from '../errors.ts';

const MAX_WAITING = 100;
const LONGEST_WAIT_MS = 5000;

export interface Turns {
  take<T>(run: () => Promise<T>): Promise<T>;
  /** @throws Problem `unavailable` where too many wait, or the turn came too late; then `run` was not begun */
  takeSoon<T>(run: () => Promise<T>): Promise<T>;
  /** When the last one that was asked for is over. */
  over(): Promise<unknown>;
}

export function createTurns(clock: Clock): Turns {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  function take<T>(run: () => Promise<T>): Promise<T> {
    const turn = tail.then(run, run);
    tail = turn.catch(() => {});
    return turn;
  }

  return {
    take,
    takeSoon: async (run) => {
      if (waiting >= MAX_WAITING) throw unavailable('Too many changes wait for their turn.');
      waiting += 1;
      const since = clock.monotonic();
      try {
        return await take(async () => {
          // Whoever waited behind a database that hung has given up, or will ask again.
          if (clock.monotonic() - since > LONGEST_WAIT_MS) throw unavailable('The change could not begin in time.');
          return await run();
        });
      } finally {
        waiting -= 1;
      }
    },
    over: () => tail,
  };
}

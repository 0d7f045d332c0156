// One at a time, in the order of asking: what moves the head of a stream. Changes wait in bounded number, of each caller too, and time.
import type { Clock } from '../clock.ts';
import { Problem, unavailable } from '../errors.ts';

const MAX_WAITING = 100;
/** Of one caller: nobody takes the places of all others, such as of whoever suspends them. */
const MAX_OF_ONE = MAX_WAITING / 4;
const LONGEST_WAIT_MS = 5000;

function tooManyOfOne(): Problem {
  return new Problem('unavailable', `${MAX_OF_ONE} changes of this caller wait for their turn already.`, {
    ...{ hint: 'Send fewer at once: each begins when the one before it is done.', retryAfter: 1 },
  });
}

export interface Turns {
  take<T>(run: () => Promise<T>): Promise<T>;
  /**
   * @param whose whose places are counted apart; undefined for the service's own, which are counted with all alone
   * @throws Problem `unavailable` where too many wait, or the turn came too late; then `run` was not begun
   */
  takeSoon<T>(run: () => Promise<T>, whose: string | undefined): Promise<T>;
  /** When the last one that was asked for is over. */
  over(): Promise<unknown>;
}

export function createTurns(clock: Clock): Turns {
  let tail: Promise<unknown> = Promise.resolve();
  const waiting = { all: 0, of: new Map<string, number>() };

  function count(whose: string | undefined, by: 1 | -1): void {
    waiting.all += by;
    if (whose === undefined) return;
    const left = (waiting.of.get(whose) ?? 0) + by;
    if (left > 0) waiting.of.set(whose, left);
    else waiting.of.delete(whose);
  }

  function take<T>(run: () => Promise<T>): Promise<T> {
    const turn = tail.then(run, run);
    tail = turn.catch(() => {});
    return turn;
  }

  return {
    take,
    takeSoon: async (run, whose) => {
      if (waiting.all >= MAX_WAITING) throw unavailable('Too many changes wait for their turn.');
      if (whose !== undefined && (waiting.of.get(whose) ?? 0) >= MAX_OF_ONE) throw tooManyOfOne();
      count(whose, 1);
      const since = clock.monotonic();
      try {
        return await take(async () => {
          // Whoever waited behind a database that hung has given up, or will ask again.
          if (clock.monotonic() - since > LONGEST_WAIT_MS) throw unavailable('The change could not begin in time.');
          return await run();
        });
      } finally {
        count(whose, -1);
      }
    },
    over: () => tail,
  };
}

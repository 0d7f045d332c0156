// Asks again where the service says that it will be there in a moment: while it starts, or looks at its keys anew. And
// where it is away for longer, for commands that wait for something else meanwhile.
import { EXIT, Failure } from './failure.ts';
import type { Outside } from './outside.ts';
import { clean } from './text.ts';

/** Longer waits are for a person to decide about. */
const LONGEST_WAIT_S = 5;
const ALTOGETHER_S = 10;

/** @param work what may be done twice: a read, a token, a creating write with its idempotency key */
export async function patiently<T>(work: () => Promise<T>, sleep: (ms: number) => Promise<void>): Promise<T> {
  for (let waited = 0; ; ) {
    try {
      return await work();
    } catch (error) {
      const wait = error instanceof Failure && error.status === 503 ? error.retryAfter : undefined;
      if (wait === undefined || wait > LONGEST_WAIT_S || waited >= ALTOGETHER_S) throw error;
      // A service that says "at once" is asked each second all the same.
      waited += Math.max(1, wait);
      await sleep(Math.max(1, wait) * 1000);
    }
  }
}

/** Between two tries while the service is away. */
const AWAY_MS = 5_000;
/** What stands before a service that is away says so in its own words. */
const AWAY = new Set([502, 503, 504]);

const isGone = ({ exit, status = 0 }: Failure): boolean => exit === EXIT.unreachable || AWAY.has(status);

/**
 * Goes on through an outage, and says on stderr that it waits, once.
 * @param work what may be done twice
 * @param until when its last error is thrown on, milliseconds since the epoch
 */
export async function steadily<T>(
  work: () => Promise<T>,
  { sleep, now, stderr }: Pick<Outside, 'sleep' | 'now' | 'stderr'>,
  until = Number.POSITIVE_INFINITY,
  isAway: (failure: Failure) => boolean = isGone,
): Promise<T> {
  for (let waits = false; ; waits = true) {
    try {
      return await work();
    } catch (error) {
      const away = error instanceof Failure && isAway(error);
      if (!away || now() >= until) throw error;
      if (!waits) stderr.write(`${clean(error.message)} [${clean(error.code)}] Waiting until it is there again.\n`);
      await sleep(AWAY_MS);
    }
  }
}

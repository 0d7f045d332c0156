// Asks again where the service says that it will be there in a moment: while it starts, or looks at its keys anew.
import { Failure } from './failure.ts';

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

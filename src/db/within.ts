// Answers of the database that a caller waits for: within a time, or 503 instead. The query's own deadline ends it later.
import { unavailable } from '../errors.ts';

/** For what must be refused within a second when the database hangs, milliseconds. */
export const SOON_MS = 900;

/** @throws Problem `unavailable` after `ms`, or what `answer` throws before. */
export async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(unavailable('The database did not answer in time.'));
    // A process that stood still runs timers that are overdue before it reads: an answer that came in time counts.
    timer = setTimeout(() => setImmediate(giveUp), ms);
  });
  // Nobody hears of what fails after that.
  answer.catch(() => {});
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

// A key act commits within half of e of the time in its rows, by the database's clock: else it is rolled back and done anew.
import type { Act, Actor, Done } from '../audit/act.ts';
import { TooLate } from '../audit/ended.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { halfOfError, type KeyPolicy } from './policy.ts';
import type { ReadClock } from './store.ts';

/** Each with a time of its own: what was slow a moment ago may not be now. */
const TRIES = 3;

export interface InTimeDeps {
  act: Act;
  readClock: ReadClock;
}

export interface Dated<T> extends Done<T> {
  /** When it must have been committed; milliseconds since the epoch. Undefined where no promise rests on it. */
  commitBy: number | undefined;
}

type Work<T> = (trx: Transaction) => Promise<Dated<T>>;

/** @param now the time in the rows, on the database's clock */
export function commitBy({ now, policy }: { now: number; policy: KeyPolicy }): number {
  return now + halfOfError(policy);
}

/** @returns by how many milliseconds it came too late, where it may */
async function attempt<T>(
  { act, readClock }: InTimeDeps,
  actor: Actor,
  work: Work<T>,
  mayBeLate: boolean,
): Promise<{ result: T; late: number }> {
  let late = 0;
  const result = await act(actor, async (trx) => {
    const { commitBy: by, ...done } = await work(trx);
    if (by === undefined) return done;
    const inTime = async (): Promise<boolean> => {
      late = Math.max(0, (await readClock(trx)) - by);
      return late === 0 || mayBeLate;
    };
    return { ...done, inTime };
  });
  return { result, late };
}

function tooSlow(cause: TooLate): Problem {
  return new Problem('unavailable', 'The database took longer for this than the key policy allows: nothing was done.', {
    retryAfter: 1,
    hint: 'Try again in a moment. Where it stays so, let the database be faster, or raise e: countersign key policy set --clock-error.',
    cause,
  });
}

/**
 * An act whose rows tell when a key is published or begins to sign: others reckon from those times.
 * @throws Problem `unavailable` where it was too late each time; nothing was done then
 */
export async function actInTime<T>(deps: InTimeDeps, actor: Actor, work: Work<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return (await attempt(deps, actor, work, false)).result;
    } catch (error) {
      if (!(error instanceof TooLate)) throw error;
      if (tried === TRIES) throw tooSlow(error);
    }
  }
}

/** The same for what is better late than never: the last try commits whenever it does. */
export async function actOrLate<T>(
  deps: InTimeDeps,
  actor: Actor,
  work: Work<T>,
): Promise<{ result: T; late: number }> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt(deps, actor, work, tried === TRIES);
    } catch (error) {
      if (!(error instanceof TooLate)) throw error;
    }
  }
}

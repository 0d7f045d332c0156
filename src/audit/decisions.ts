// What is decided under a policy epoch that is over by the time of its record is decided anew, and not for ever.
import { type Problem, unavailable } from '../errors.ts';
import { EpochChanged } from './stream.ts';

/** So often in all, the first time included. */
const DECISIONS = 3;

function changedTooOften(): Problem {
  return unavailable('What this decision rests on keeps changing.');
}

/**
 * @param attempt decides and records under the epoch of its decision, or throws EpochChanged; the first is number 1
 * @param tooOften what it comes to where each was out of date; unless given, Problem `unavailable`
 * @throws what `attempt` throws
 */
export async function underOneEpoch<T>(
  attempt: (nth: number) => Promise<T>,
  tooOften: () => T = () => {
    throw changedTooOften();
  },
): Promise<T> {
  for (let nth = 1; nth <= DECISIONS; nth += 1) {
    try {
      return await attempt(nth);
    } catch (error) {
      if (!(error instanceof EpochChanged)) throw error;
    }
  }
  return tooOften();
}

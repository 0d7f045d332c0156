// What is decided under a policy epoch that is over by the time of its record is decided anew, and not for ever.
import { type Problem, unavailable } from '../errors.ts';

/** So often in all, the first time included. */
export const DECISIONS = 3;

export function changedTooOften(): Problem {
  return unavailable('What this decision rests on keeps changing.');
}

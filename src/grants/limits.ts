// How long a session may last: refused beyond a limit, never clamped.
import { Problem } from '../errors.ts';

/** What AWS takes, seconds. */
export const SESSION_SECONDS = { minimum: 900, maximum: 43_200, unasked: 3600 } as const;

export interface Ceilings {
  /** `max_session_seconds` of each, seconds. */
  grant: number;
  connection: number;
}

/**
 * @param asked seconds; undefined when the caller leaves it to us.
 * @returns seconds for STS.
 * @throws Problem `duration_out_of_range`, or `duration_exceeds_limit` with the limit and whose it is.
 */
export function sessionSeconds(asked: number | undefined, ceilings: Ceilings): number {
  const limit = Math.min(ceilings.grant, ceilings.connection);
  if (asked === undefined) return Math.min(SESSION_SECONDS.unasked, limit);
  const { minimum, maximum } = SESSION_SECONDS;
  if (!Number.isInteger(asked) || asked < minimum || asked > maximum) {
    throw new Problem('duration_out_of_range', `A session lasts ${minimum} to ${maximum} whole seconds.`, {
      hint: `Ask for ${minimum} to ${limit} seconds, or for none.`,
    });
  }
  if (asked > limit) {
    const whose = ceilings.grant === limit ? 'grant' : 'connection';
    throw new Problem('duration_exceeds_limit', `The ${whose} allows sessions of ${limit} seconds at most.`, {
      hint: `Ask for ${limit} seconds or less, or have max_session_seconds of the ${whose} raised.`,
      extra: { limit_seconds: limit },
    });
  }
  return asked;
}

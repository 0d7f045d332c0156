// How many new sessions may be asked for: of one connection, and by each workload a quarter of that.
import type { Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import { createRate } from '../http/rates.ts';

export interface NewSessions {
  /** Counts one. @throws Problem `rate_limited`; what a workload asks beyond its own rate takes nothing of the connection's. */
  count(asked: { workload: string; connection: string }): void;
}

/** By one workload: the others of the connection are left room. */
const WORKLOAD_SHARE = 1 / 4;

/** @param perConnection a second; four seconds' worth may come at once */
export function createNewSessions(perConnection: number, clock: Pick<Clock, 'monotonic'>): NewSessions {
  const perWorkload = Math.ceil(perConnection * WORKLOAD_SHARE);
  const ofWorkloads = createRate(perWorkload, clock);
  const ofConnections = createRate(perConnection, clock);

  const refuse = (seconds: number | undefined, most: number, what: string): void => {
    if (seconds !== undefined) throw tooMany(`More than ${most} new sessions a second are asked for ${what}.`, seconds);
  };
  return {
    count: ({ workload, connection }) => {
      refuse(ofWorkloads.take(`${workload} ${connection}`), perWorkload, 'of this connection by this workload');
      refuse(ofConnections.take(connection), perConnection, 'of this connection');
    },
  };
}

function tooMany(detail: string, seconds: number): Problem {
  return new Problem('rate_limited', detail, {
    hint: 'Ask for the same purpose, duration and session policy each time: such a session is fetched once and shared.',
    retryAfter: seconds,
  });
}

// The one door to time: everything else takes a Clock as a parameter.
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  wall(): number;
  /** Monotonic time, milliseconds since an arbitrary start. */
  monotonic(): number;
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
};

/** @param ms since the epoch @returns ISO 8601, in UTC, with milliseconds */
export const iso = (ms: number): string => new Date(ms).toISOString();

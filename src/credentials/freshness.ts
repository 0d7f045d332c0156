// How long a session is handed out, and from when it is refreshed: pure arithmetic, in milliseconds.
import type { Clock } from '../clock.ts';

export interface Life {
  /** What it had left when it came, by our clock, seconds; no more than was asked for. */
  seconds: number;
  /** AWS's word, wall time. */
  expiresAt: number;
  /** When it was asked for, on our monotonic clock. */
  askedAt: number;
}

/** botocore fetches anew from 15 minutes before the end: what it is given has a minute more, where its length allows. */
const LONGEST_REFRESH_MS = 16 * 60_000;

/** Of what is about to end this much must remain, where AWS gives nothing new. */
export const LAST_MS = 60_000;

/** By whichever of the two clocks says less: a wall clock that was set back makes no session live longer. */
export function remainingMs({ seconds, expiresAt, askedAt }: Life, clock: Clock): number {
  return Math.min(expiresAt - clock.wall(), seconds * 1000 - (clock.monotonic() - askedAt));
}

/** What must remain of a session of this length for it to be handed out. */
export function floorMs(seconds: number): number {
  const all = seconds * 1000;
  return Math.min(0.9 * all, Math.max(all / 3, LONGEST_REFRESH_MS));
}

/** Whether a hand-out should fetch its successor, beside. */
export function isPastHalf({ seconds }: Pick<Life, 'seconds'>, remaining: number): boolean {
  return remaining < seconds * 500;
}

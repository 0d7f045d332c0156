// The long poll: reads a connection until it is active, no longer on its way there, or the caller's time is up.
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { ConnectionRow } from './store.ts';

export interface Wait {
  clock: Clock;
  timeoutMs: number;
  /** Between two reads, milliseconds. */
  pollMs: number;
  /** The caller left, or the server is closing. */
  signal: AbortSignal;
}

/** @returns the row as last read, or undefined when there is none (any more). */
export async function waitUntilActive(
  read: () => Promise<ConnectionRow | undefined>,
  { clock, timeoutMs, pollMs, signal }: Wait,
): Promise<ConnectionRow | undefined> {
  const end = clock.monotonic() + timeoutMs;
  for (;;) {
    const row = await read();
    const left = end - clock.monotonic();
    const onItsWay = row?.state === 'pending' || row?.state === 'verifying';
    if (!onItsWay || left <= 0 || signal.aborted) return row;
    // An abort ends the sleep early, and the next read answers.
    await delay(Math.min(pollMs, left), undefined, { signal }).catch(() => {});
  }
}

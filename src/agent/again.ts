// How long to wait before the service is asked again: longer each time, by lot, and never before it said.

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
/** Nobody is put off for longer by a Retry-After. */
const LONGEST_ASKED_MS = 300_000;

/**
 * @param failures in a row, at least 1
 * @param retryAfter seconds, where the service said
 * @param random from 0 to 1
 * @returns milliseconds
 */
export function pauseMs(failures: number, retryAfter: number | undefined, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  // The lower half is left out: asked by lot from nothing on, some would ask at once.
  const own = (ceiling / 2) * (1 + random);
  const asked = Math.min((retryAfter ?? 0) * 1000, LONGEST_ASKED_MS);
  return asked > own ? asked + own : own;
}

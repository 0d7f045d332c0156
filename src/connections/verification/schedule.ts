// When to ask STS again: every 5 s while somebody is likely to be at the console, then patiently, for a week.
import type { StsSide } from '../../clouds/aws-errors.ts';

const MINUTE = 60_000;

/** How long a stack is waited for. */
export const PATIENCE_MS = 7 * 24 * 60 * MINUTE;

/** Right after a change in IAM, refusals are normal: an active connection is not called degraded for them. */
export const CONSISTENCY_MS = MINUTE;

const STEPS: [until: number, delay: number][] = [
  [10 * MINUTE, 5000],
  [120 * MINUTE, 30_000],
  [PATIENCE_MS, 5 * MINUTE],
];

/**
 * Milliseconds until the next attempt, or undefined when it is time to give up.
 * @param elapsedMs since the verification was asked for
 * @param side of the last failure; who is throttled stays away for 30 s at least
 */
export function nextDelay(elapsedMs: number, side: StsSide): number | undefined {
  const step = STEPS.find(([until]) => elapsedMs < until);
  if (!step) return undefined;
  return side === 'throttled' ? Math.max(30_000, step[1]) : step[1];
}

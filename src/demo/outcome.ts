// How the flow ended: every step held, one did not, or somebody stopped it; for people, for programs, as an exit code.
import type { Runner, StepTime } from './runner.ts';
import { describeFault, StepFailed } from './runner.ts';

export interface Facts {
  account_id: string;
  assumed_role_arn: string;
}

export type Outcome<T> = { ok: true; result: T } | { ok: false; failed: string; error: string; exitCode: number };

/** The exit code as a shell has it: 128 and the number of SIGINT. */
export const INTERRUPTED = 130;

/** @param interrupted resolves with why, where somebody stops it */
export async function settle<T>(runner: Runner, flow: Promise<T>, interrupted: Promise<string>): Promise<Outcome<T>> {
  try {
    const stopped = interrupted.then((why) => ({ why }));
    const first = await Promise.race([flow.then((result) => ({ result })), stopped]);
    if ('result' in first) return { ok: true, result: first.result };
    const failed = runner.current() ?? 'none';
    runner.abandon();
    return { ok: false, failed, error: `interrupted by ${first.why}`, exitCode: INTERRUPTED };
  } catch (error) {
    const failed = error instanceof StepFailed ? error.step : (runner.current() ?? 'none');
    return { ok: false, failed, error: describeFault(error), exitCode: 1 };
  }
}

/** The last line of `--once`. */
export function outcomeLine(outcome: Outcome<Facts>, steps: readonly StepTime[]): string {
  if (!outcome.ok) return JSON.stringify({ ok: false, steps, failed: outcome.failed, error: outcome.error });
  const { account_id, assumed_role_arn } = outcome.result;
  return JSON.stringify({ ok: true, steps, account_id, assumed_role_arn });
}

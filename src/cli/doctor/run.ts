// All checks at once, each with a deadline: one that fails, throws or hangs takes nothing from the others.
import { Failure } from '../failure.ts';
import type { Check, Finding, Unseen } from './findings.ts';

export const CHECK_DEADLINE_MS = 15_000;

function toFinding(code: string, error: unknown): Finding {
  const failure = error instanceof Failure ? error : undefined;
  const { code: name, hint } = (failure ?? error ?? {}) as { code?: unknown; hint?: unknown };
  const detail = error instanceof Error ? error.message : String(error);
  return {
    ...{ code, severity: 'failure' as const },
    detail: typeof name === 'string' ? `${detail} (${name})` : detail,
    hint:
      typeof hint === 'string' ? hint : 'Run it again with --verbose; if it stays, look into the log of the service.',
  };
}

/** A call that this client may not make is no fault of the deployment. */
function toUnseen(code: string, error: unknown): Unseen | undefined {
  if (!(error instanceof Failure) || error.code !== 'insufficient_scope') return undefined;
  return { code, detail: error.message, hint: error.hint ?? 'Let an administrator give this client the scope.' };
}

export interface Ran {
  findings: Finding[];
  unseen: Unseen[];
}

async function runOne({ code, look }: Check, deadlineMs: number): Promise<Ran> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(
      () =>
        resolve([
          {
            ...{ code, severity: 'failure' as const, detail: `There was no result within ${deadlineMs / 1000} s.` },
            hint: 'Look at the way from here to there, and whether the service is overloaded.',
          },
        ]),
      deadlineMs,
    );
  });
  try {
    return { findings: [...(await Promise.race([look(), late]))], unseen: [] };
  } catch (error) {
    const unseen = toUnseen(code, error);
    return unseen ? { findings: [], unseen: [unseen] } : { findings: [toFinding(code, error)], unseen: [] };
  } finally {
    clearTimeout(timer);
  }
}

/** In the order of the checks. */
export async function runChecks(checks: readonly Check[], deadlineMs = CHECK_DEADLINE_MS): Promise<Ran> {
  const ran = await Promise.all(checks.map((check) => runOne(check, deadlineMs)));
  return { findings: ran.flatMap(({ findings }) => findings), unseen: ran.flatMap(({ unseen }) => unseen) };
}

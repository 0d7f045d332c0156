// What a step holds true, said so that whoever sees it fail knows what was wanted.
import { Failure } from '../cli/failure.ts';

/** @throws Error `<what>: expected …, found …` */
export function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (found === expected) return;
  throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}.`);
}

/** @throws Error that is the sentence. */
export function expectThat(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

export interface Refusal {
  status: number;
  code: string;
  detail: string;
  /** OAuth errors (RFC 6749) carry none. */
  hint: string | undefined;
}

/**
 * The refusal that a call must end with.
 * @throws Error where it was let through, or refused in another way.
 */
export async function expectRefusal(status: number, code: string, call: Promise<unknown>): Promise<Refusal> {
  const wanted = `${status} ${code}`;
  const refused = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (refused === undefined) throw new Error(`It was let through, and must be refused with ${wanted}.`);
  if (!(refused instanceof Failure)) throw refused;
  if (refused.status !== status || refused.code !== code) {
    throw new Error(`It was refused with ${refused.status} ${refused.code}, and must be with ${wanted}: ${refused.message}`);
  }
  return { status, code, detail: refused.message, hint: refused.hint };
}

/** As people read it below a step. */
export function refusalNotes({ status, code, detail, hint }: Refusal): string[] {
  return [`refused: ${status} ${code}. ${detail}`, ...(hint === undefined ? [] : [`hint: ${hint}`])];
}

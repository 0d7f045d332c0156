// What a step holds true, said so that whoever sees it fail knows what was wanted.
import { Failure } from '../cli/failure.ts';
import type { Tell } from './runner.ts';

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
  const refusal = await call.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    },
  );
  if (refusal === undefined) throw new Error(`It was let through, and must be refused with ${wanted}.`);
  if (refusal.status !== status || refusal.code !== code) {
    throw new Error(
      `It must be refused with ${wanted}, and was with ${refusal.status} ${refusal.code}: ${refusal.message}`,
    );
  }
  return { status, code, detail: refusal.message, hint: refusal.hint };
}

/** As people read it below a step. */
export function tellRefusal(tell: Tell, { status, code, detail, hint }: Refusal): void {
  tell(`refused: ${status} ${code}. ${detail}`, 'yellow');
  if (hint !== undefined) tell(`hint: ${hint}`, 'plain');
}

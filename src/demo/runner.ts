// Runs steps one after another: times each, shows it, remembers it; the first that fails ends the flow.
import { Failure } from '../cli/failure.ts';
import type { Format } from '../cli/text.ts';
import type { Line, Screen } from './screen.ts';

export interface StepTime {
  name: string;
  ms: number;
}

/** Something below the step's line: a fact, or what was refused and what to do about it. */
export type Tell = (note: string, format?: Format | 'plain') => void;

export interface Runner {
  scene(title: string): void;
  /**
   * @param name for the JSON; snake_case
   * @param action checks what the sentence says, and throws where it does not hold
   * @throws StepFailed
   */
  step<T>(name: string, sentence: string, action: (tell: Tell) => Promise<T> | T): Promise<T>;
  /** Those that held, in order. */
  steps: readonly StepTime[];
  /** The step that is running. */
  current(): string | undefined;
  /** Shows and runs nothing more: a step that is running is left where it is. */
  abandon(): void;
}

export class StepFailed extends Error {
  readonly step: string;

  constructor(step: string, cause: unknown) {
    super(describeFault(cause), { cause });
    this.name = 'StepFailed';
    this.step = step;
  }
}

/** What went wrong, with its code and what to do where the service said so. */
export function describeFault(error: unknown): string {
  if (error instanceof Failure) {
    return `${error.message} [${error.code}]${error.hint === undefined ? '' : ` ${error.hint}`}`;
  }
  return error instanceof Error ? error.message : String(error);
}

const NEVER = new Promise<never>(() => {});

/** @param now milliseconds on a clock that only goes on */
export function createRunner(screen: Screen, now: () => number = () => performance.now()): Runner {
  const steps: StepTime[] = [];
  let running: { name: string; began: number; line: Line } | undefined;
  let abandoned = false;

  async function step<T>(name: string, sentence: string, action: (tell: Tell) => Promise<T> | T): Promise<T> {
    if (abandoned) return await NEVER;
    const notes: Parameters<Tell>[] = [];
    const began = now();
    const line = screen.begin(sentence);
    running = { name, began, line };
    const result = await Promise.try(action, (...note) => void notes.push(note)).then(
      (value) => ({ value }),
      (error: unknown) => ({ failed: new StepFailed(name, error) }),
    );
    if (abandoned) return await NEVER;
    running = undefined;
    const ms = Math.round(now() - began);
    if ('failed' in result) line.failed(ms);
    else line.done(ms);
    for (const note of notes) screen.note(...note);
    if ('failed' in result) {
      screen.note(result.failed.message, 'red');
      throw result.failed;
    }
    steps.push({ name, ms });
    return result.value;
  }

  return {
    ...{ steps, step },
    scene: (title) => screen.scene(title),
    current: () => running?.name,
    abandon: () => {
      abandoned = true;
      running?.line.failed(now() - running.began);
    },
  };
}

// Why a command ends other than well: a code, a sentence, what to do, and the exit code that scripts go by.
import { StartError } from '../errors.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, notFound: 4, warned: 5 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES =
  'Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 cannot reach the service, 4 not found, 5 warnings alone (doctor).';

interface FailureOptions {
  exit?: ExitCode | 126 | 127;
  hint?: string | undefined;
  /** HTTP status, where the service answered. */
  status?: number;
  requestId?: string | undefined;
  /** Of AWS STS, where the service passed on what that said. */
  stsRequestId?: string | undefined;
  /** Seconds after which the service wants to be asked again. */
  retryAfter?: number | undefined;
  /** What else is wrong, a line each. */
  problems?: readonly string[];
  cause?: unknown;
}

export class Failure extends Error {
  readonly code: string;
  readonly exit: NonNullable<FailureOptions['exit']>;
  readonly hint: string | undefined;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly stsRequestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly problems: readonly string[] | undefined;

  constructor(code: string, detail: string, options: FailureOptions = {}) {
    super(detail, { cause: options.cause });
    this.name = 'Failure';
    this.code = code;
    this.exit = options.exit ?? EXIT.failed;
    this.hint = options.hint;
    this.status = options.status;
    this.requestId = options.requestId;
    this.stsRequestId = options.stsRequestId;
    this.retryAfter = options.retryAfter;
    this.problems = options.problems;
  }
}

/** A command that was run for somebody ended so: it has said itself what there is to say. */
export class Ended extends Error {
  readonly exit: number;

  constructor(exit: number) {
    super(`The command ended with ${exit}.`);
    this.name = 'Ended';
    this.exit = exit;
  }
}

/** 128 and SIGINT, as shells say it. */
export const INTERRUPTED = 130;

/** The command was called wrongly: nothing was sent. */
export function usage(detail: string, hint?: string): Failure {
  return new Failure('usage', detail, { exit: EXIT.usage, hint });
}

/**
 * Whether nothing was done: the service itself said no, or was not asked. What a proxy answers in its place says neither, nor
 * does 429: the same may have been sent before, and repeated.
 */
export function isRefused({ code, exit, status = 0 }: Failure): boolean {
  return exit === EXIT.usage || (code !== 'unexpected_answer' && status >= 400 && status < 500 && status !== 429);
}

/** Whatever was thrown, as a Failure; what is unknown keeps its stack for --verbose. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof StartError) return new Failure(error.code, error.message, { hint: error.hint, cause: error });
  // A ConfigError, known by its members: its module brings the schema library, which other commands do without.
  const problems = (error as { problems?: unknown } | undefined)?.problems;
  if (error instanceof Error && Array.isArray(problems)) {
    return new Failure('configuration', 'The configuration in the environment is not right.', {
      problems: problems.map(String),
      cause: error,
    });
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new Failure('failed', detail, { hint: 'Run it again with --verbose to see where.', cause: error });
}

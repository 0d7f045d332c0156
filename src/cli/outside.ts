// What a command touches outside itself: the environment, the two output streams, time. Tests give their own.

export interface Sink {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  /** Of a terminal. */
  columns?: number | undefined;
}

export interface Outside {
  env: Record<string, string | undefined>;
  stdout: Sink;
  stderr: Sink;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds. */
  sleep(ms: number): Promise<void>;
  /** Asks the person at the terminal; undefined where there is none. */
  ask?: ((question: string) => Promise<string>) | undefined;
  /** Until somebody ends this process (SIGINT, SIGTERM). */
  stopped(): Promise<void>;
  /** Ends this process well, though something is still asked for; undefined where it is not the command's own. */
  leave?: (() => void) | undefined;
}

async function askAtTerminal(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/**
 * The process's own. A reader of what it prints that went away (`| head`) ends the command quietly; one of its log
 * (`2>&1 | logger`) does not: an agent goes on without.
 */
export function processOutside(): Outside {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.stderr.on('error', () => {});
  return {
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    now: Date.now,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    ask: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : undefined,
    stopped: () =>
      new Promise((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      }),
    leave: () => process.exit(0),
  };
}

// When somebody ends the demo: a signal, or a reader that went away.

/** Ctrl-C reaches the demo twice under npm, from the terminal and from npm: that is one wish. */
const SAME_WISH_MS = 1000;

/** Resolves with why. Whoever asks again later ends the process at once; the service notices, and ends as well. */
export function untilInterrupted(): Promise<string> {
  return new Promise((resolve) => {
    let first: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        first ??= performance.now();
        if (performance.now() - first > SAME_WISH_MS) process.exit(130);
        resolve(signal);
      });
    }
    process.stdout.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'output'));
  });
}

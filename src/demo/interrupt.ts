// When somebody ends the demo: a signal, or a reader that went away.

/** Resolves with why. A second signal ends the process at once; the service notices, and ends as well. */
export function untilInterrupted(): Promise<string> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(130);
        resolve(signal);
      });
    }
    process.stdout.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'output'));
  });
}

// What the service does by itself, each on its own interval, never twice at once, a failure logged and tried again.
import type { FastifyBaseLogger } from 'fastify';

export interface Background {
  every(name: string, ms: number, run: () => Promise<unknown>): void;
  /** The same, and the first time now. */
  atOnce(name: string, ms: number, run: () => Promise<unknown>): void;
  /** Starts nothing more, and waits for what runs. */
  stop(): Promise<void>;
}

export function createBackground(log: FastifyBaseLogger): Background {
  const timers: NodeJS.Timeout[] = [];
  const running = new Map<string, Promise<unknown>>();
  function turn(name: string, run: () => Promise<unknown>): void {
    if (running.has(name)) return;
    const done = run()
      .catch((error: unknown) =>
        log.warn({ err: error, task: name }, 'a background task failed and will be tried again'),
      )
      .finally(() => running.delete(name));
    running.set(name, done);
  }

  const background: Background = {
    every: (name, ms, run) => void timers.push(setInterval(() => turn(name, run), ms)),
    atOnce: (name, ms, run) => {
      background.every(name, ms, run);
      turn(name, run);
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.allSettled(running.values());
    },
  };
  return background;
}

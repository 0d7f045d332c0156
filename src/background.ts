// What the service does by itself, each on its own interval, never twice at once, a failure logged and tried again.
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from './clock.ts';

/** @param stopped whether the service ends: what is not begun then is left to others */
export type Run = (stopped: () => boolean) => Promise<unknown>;

export interface Background {
  every(name: string, ms: number, run: Run): void;
  /** The same, and the first time now. */
  atOnce(name: string, ms: number, run: Run): void;
  /**
   * The same in batches: again at once while a full one comes back, for half of the interval at most.
   * @param limit of one batch
   * @param batch does that many at most; @returns how many it did
   */
  inBatches(name: string, ms: number, limit: number, batch: (limit: number) => Promise<number>): void;
  /** Starts nothing more, and waits for what runs. */
  stop(): Promise<void>;
}

export function createBackground(log: Pick<FastifyBaseLogger, 'warn'>, clock: Pick<Clock, 'monotonic'>): Background {
  const timers: NodeJS.Timeout[] = [];
  const running = new Map<string, Promise<unknown>>();
  let stopped = false;
  function turn(name: string, run: Run): void {
    if (running.has(name)) return;
    const done = run(() => stopped)
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
    inBatches: (name, ms, limit, batch) =>
      background.every(name, ms, async () => {
        const until = clock.monotonic() + ms / 2;
        let mayBeMore = true;
        while (mayBeMore && !stopped && clock.monotonic() < until) mayBeMore = (await batch(limit)) >= limit;
      }),
    stop: async () => {
      stopped = true;
      for (const timer of timers) clearInterval(timer);
      await Promise.allSettled(running.values());
    },
  };
  return background;
}

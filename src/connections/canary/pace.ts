// How often STS is shown canaries by this process: a few looks at once, so many a second, and none while it throttles.
import type { Clock } from '../../clock.ts';

export interface PaceOptions {
  clock: Pick<Clock, 'monotonic'>;
  sleep(ms: number): Promise<unknown>;
  /** 4 unless given. */
  atOnce?: number | undefined;
  /** From one look's beginning to the next, milliseconds; 100 unless given. */
  apartMs?: number | undefined;
  /** That a look waits for its turn, milliseconds; 5000 unless given. */
  waitMs?: number | undefined;
  /** That nobody looks after STS throttled, milliseconds; 30 000 unless given. */
  restMs?: number | undefined;
}

export interface Pace {
  /** @returns undefined where its turn did not come in time, or STS asked for fewer calls a moment ago: nothing was done */
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
  /** STS throttled: nobody looks for a while. */
  rest(): void;
}

export function createPace(options: PaceOptions): Pace {
  const { clock, sleep, atOnce = 4, apartMs = 100, waitMs = 5000, restMs = 30_000 } = options;
  const waiting: (() => void)[] = [];
  let running = 0;
  let latest = Number.NEGATIVE_INFINITY;
  let restsUntil = Number.NEGATIVE_INFINITY;

  /** @returns false where no place was free in time */
  async function take(): Promise<boolean> {
    if (running < atOnce) {
      running += 1;
      return true;
    }
    let turn = (): void => {};
    const mine = new Promise<boolean>((resolve) => {
      turn = () => resolve(true);
      waiting.push(turn);
    });
    const taken = await Promise.race([mine, sleep(waitMs).then(() => false)]);
    if (taken) return true;
    const at = waiting.indexOf(turn);
    // A place that was handed over in the same moment is taken after all.
    if (at < 0) return true;
    waiting.splice(at, 1);
    return false;
  }

  /** The place goes to whoever waits longest. */
  function give(): void {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }

  const rests = (): boolean => clock.monotonic() < restsUntil;
  return {
    run: async (work) => {
      if (rests() || !(await take())) return undefined;
      try {
        const now = clock.monotonic();
        latest = Math.max(now, latest + apartMs);
        if (latest > now) await sleep(latest - now);
        return rests() ? undefined : await work();
      } finally {
        give();
      }
    },
    rest: () => {
      restsUntil = clock.monotonic() + restMs;
    },
  };
}

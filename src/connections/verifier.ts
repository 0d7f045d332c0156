// The polling worker: leases connections that are due, asks STS about each, a bounded number at once, outside any transaction.
import type { Act } from '../audit/act.ts';
import { underOneEpoch } from '../audit/decisions.ts';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import type { ReadClock } from '../keys/store.ts';
import { readStanding } from '../seal/store.ts';
import { findConnection } from './store.ts';
import { type Attempt, type AttemptDeps, attemptVerification } from './verification/attempt.ts';
import { recordAttempt } from './verification/record.ts';
import { leaseDue, releaseLease } from './verification/store.ts';

export interface VerifierDeps extends AttemptDeps {
  db: Db;
  act: Act;
  clock: Pick<Clock, 'monotonic' | 'wall'>;
  /** Replicas agree on the database's clock. */
  readClock: ReadClock;
  log: { error(details: object, message: string): void };
  /** Connections that STS is asked about at the same time; 8 unless given. */
  concurrency?: number | undefined;
  /** Longer than the slowest attempt, milliseconds; 60 000 unless given. */
  leaseMs?: number | undefined;
  /** Between two looks at the queue, milliseconds; 1000 unless given. */
  intervalMs?: number | undefined;
  timers?: Timers | undefined;
}

export interface Timers {
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface Verifier {
  /** Asks about everything that is due; resolves when all of it is written down. @returns how many attempts. */
  runOnce(): Promise<number>;
  start(): void;
  /** Looks at the queue now, instead of after the interval. */
  wake(): void;
  /** Starts nothing more, and resolves when what is running has ended. */
  stop(): Promise<void>;
}

const processTimers: Timers = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

export function createVerifier(deps: VerifierDeps): Verifier {
  const { db, act, clock, readClock, log, concurrency = 8, leaseMs = 60_000 } = deps;
  const { intervalMs = 1000, timers = processTimers } = deps;
  const running = new Set<Promise<void>>();
  let timer: unknown;
  let looking: Promise<void> | undefined;
  let again = false;
  let stopped = true;

  /** Undefined where nothing may be minted for it: the service is sealed, or what it rests on keeps changing. */
  async function attempt(connection: string): Promise<Attempt | undefined> {
    const once = async (): Promise<Attempt | undefined> => {
      // The epoch first: whatever changes after it is read, the record of the intent refuses.
      const { epoch, seal } = await readStanding(db);
      const row = seal ? undefined : await findConnection(db, connection);
      return row && (await attemptVerification(deps, row, epoch));
    };
    return await underOneEpoch(once, () => undefined);
  }

  async function verifyOne(connection: string, until: Date, now: Date): Promise<void> {
    try {
      const began = clock.monotonic();
      const attempted = await attempt(connection);
      if (!attempted) return await releaseLease(db, connection, until);
      const ended = new Date(now.getTime() + Math.round(clock.monotonic() - began));
      await recordAttempt(act, { connection, until }, attempted, ended);
    } catch (error) {
      // The lease ends by itself, and somebody asks again.
      log.error({ err: error, connection }, 'a verification could not be carried out');
    }
  }

  /** Fills the free places. @returns how many were started. */
  async function fill(): Promise<number> {
    const limit = concurrency - running.size;
    if (limit <= 0 || (await readStanding(db)).seal) return 0;
    // Each time anew: what is leased late in a long backlog is leased for as long as the rest.
    const now = new Date(await readClock(db));
    const until = new Date(now.getTime() + leaseMs);
    const due = await leaseDue(db, { now, until, limit });
    for (const connection of due) {
      const one = verifyOne(connection, until, now).finally(() => running.delete(one));
      running.add(one);
    }
    return due.length;
  }

  async function look(): Promise<void> {
    try {
      while (!stopped && (await fill()) > 0 && running.size >= concurrency) await Promise.race(running);
    } catch (error) {
      log.error({ err: error }, 'the queue of verifications could not be read');
    }
  }

  function begin(): void {
    again = false;
    looking = look().finally(() => {
      looking = undefined;
      if (!stopped) timer = timers.setTimeout(begin, again ? 0 : intervalMs);
    });
  }

  return {
    runOnce: async () => {
      let attempts = 0;
      for (;;) {
        const started = await fill();
        attempts += started;
        if (started === 0 && running.size === 0) return attempts;
        if (started === 0 || running.size >= concurrency) await Promise.race(running);
      }
    },
    start: () => {
      if (!stopped) return;
      stopped = false;
      begin();
    },
    wake: () => {
      if (stopped) return;
      again = true;
      // While it is looking, it looks once more afterwards.
      if (looking !== undefined) return;
      timers.clearTimeout(timer);
      begin();
    },
    stop: async () => {
      stopped = true;
      timers.clearTimeout(timer);
      await looking;
      await Promise.all(running);
    },
  };
}

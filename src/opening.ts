// What the database must have answered before anything is minted: awaited in the open, tried again until it has.
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { describeDatabaseError, isDatabaseAway } from './db/away.ts';
import { StartError } from './errors.ts';

const RETRIES_MS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];
/** While documents are served meanwhile: often enough to be whole within 5 s of the database's return. */
const PATIENT_MS = 1000;
/** What a database that answers needs, before a process that has a snapshot listens without it. */
const HEAD_START_MS = 2000;

export interface Opening {
  /** Why nothing that needs the database is done yet; undefined once everything is. */
  reason(): string | undefined;
  /** Whether the database has answered everything; false when it was stopped before. @throws StartError for what no waiting mends */
  opened: Promise<boolean>;
  /** Resolves when it has, when it is known not to answer, or when it takes long; throws as `opened` does. */
  settled: Promise<unknown>;
  /** Tries no more. */
  stop(): void;
}

/**
 * Runs `open` until it succeeds. What is no trouble of the database's ends it at once.
 * @param options.patient whether documents are served meanwhile: then it is waited for without end
 */
export function startOpening(
  open: () => Promise<void>,
  { log, patient }: { log: FastifyBaseLogger; patient: boolean },
): Opening {
  let reason: string | undefined = 'the database has not answered since this process started';
  const stopping = new AbortController();
  const troubled = Promise.withResolvers<void>();

  async function run(): Promise<boolean> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await open();
        reason = undefined;
        return true;
      } catch (error) {
        if (error instanceof StartError) throw error;
        const wait = patient ? PATIENT_MS : RETRIES_MS[attempt];
        if (wait === undefined || !isDatabaseAway(error)) {
          throw new StartError(
            'database_unreachable',
            `The database could not be opened: ${describeDatabaseError(error)}`,
            'Check DATABASE_URL, and that PostgreSQL runs and lets this host and user in.',
          );
        }
        // Not a line a second for as long as it is away.
        if (!patient || attempt % 60 === 0)
          log.warn(
            { reason: describeDatabaseError(error), retry_ms: wait },
            'the database does not answer yet; trying again',
          );
        troubled.resolve();
        await delay(wait, undefined, { signal: stopping.signal }).catch(() => {});
        if (stopping.signal.aborted) return false;
      }
    }
  }

  const opened = run();
  // Whoever asks hears of it; nobody may ask before it fails.
  opened.catch(() => {});
  const late = delay(HEAD_START_MS, undefined, { ref: false });
  return {
    reason: () => reason,
    opened,
    settled: Promise.race([opened, troubled.promise, late]),
    stop: () => stopping.abort(),
  };
}

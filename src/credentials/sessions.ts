// Sessions in memory, by what they hang on: handed out while enough of them remains, fetched once for all who ask at the same time.
import { EpochChanged } from '../audit/stream.ts';
import type { Clock } from '../clock.ts';
import { StsError } from '../clouds/aws-errors.ts';
import type { AssumedSession } from '../clouds/aws.ts';
import { Problem } from '../errors.ts';
import type { Standing } from '../seal/store.ts';
import type { Authorized } from './authorize.ts';
import { floorMs, isPastHalf, LAST_MS, type Life, remainingMs } from './freshness.ts';
import { createKept, type Held } from './kept.ts';
import { createLanes, type LanesOptions } from './lanes.ts';
import { createNewSessions } from './new-sessions.ts';
import { createRefusals } from './refusals.ts';

/** What an exchange brought home. */
export interface Obtained extends Life {
  /** `ex_…` */
  exchange: string;
  session: AssumedSession;
  /** When its outcome is durable, under a decision that stands: nothing is given before. Rejects where it never is. */
  recorded: Promise<void>;
}

export interface Sessions {
  /**
   * The session of this key. `fetch` is begun where there is none, or none that lives long enough; past half of its life
   * the one at hand is given, and its successor fetched beside. Whoever hangs up ends no fetch.
   * @throws what `fetch` throws; Problem `rate_limited` or `unavailable` where too much is asked for.
   */
  obtain(authorized: Authorized, fetch: () => Promise<Obtained>): Promise<Obtained>;
  /**
   * Forgets what may not be handed out any more, and refusals that are over; what nobody was authorised for since a change, after
   * five minutes; all, where sealed or unsealed since.
   */
  sweep(standing?: Standing): void;
  /** Forgets everything. */
  clear(): void;
  /** When nothing is being fetched any more. */
  settled(): Promise<unknown>;
  readonly size: number;
  /** What AWS refused for good and is remembered. */
  readonly refused: number;
}

export interface SessionsOptions extends LanesOptions {
  clock: Clock;
  /** By which new sessions are counted; `clock` unless given. */
  pace?: Pick<Clock, 'monotonic'> | undefined;
  /**
   * New sessions of one connection, a second, of which one workload may have a quarter; four seconds' worth may come at once.
   * 100 unless given.
   */
  perConnection?: number;
  /** Who holds a session that still lives waits so long for its successor, milliseconds; 1000 unless given. */
  patienceMs?: number;
}

/** Who asks for something new each time, or in very many connections, pushes out its own. */
const ROOM = { items: 20_000, characters: 64 * 1024 * 1024, ofOne: 200 };
/** What a session takes beside its token and its key. */
const CHARACTERS_BESIDE = 1000;
/** What AWS refused for good is not asked again for so long; nor is a successor that did not come. */
const PAUSE_MS = 10_000;
const UNCONFIRMED_MS = 300_000;

interface KeptSession extends Obtained, Held {
  /** Of the last decision that it was handed out under, and when. */
  epoch: number;
  confirmedAt: number;
  /** Monotonic; until then no successor is fetched beside. */
  pausedUntil: number;
}

interface Flight {
  obtained: Promise<Obtained>;
  /** When what came of it is on record, and kept or forgotten; never rejects. */
  over: Promise<unknown>;
}

/** It passes by itself. */
function isPassing(error: unknown): boolean {
  if (error instanceof StsError) return error.side === 'transient' || error.side === 'throttled';
  return error instanceof Problem && (error.code === 'rate_limited' || error.code === 'unavailable');
}

const isAnswerRefused = (error: unknown): boolean => error instanceof Problem && error.code === 'sts_answer_refused';

/** AWS says the same a moment later. But right after a stack is created, it denies for some seconds what it will allow. */
function isLasting(error: unknown, { connection }: Authorized['decision']): boolean {
  if (!(error instanceof StsError)) return isAnswerRefused(error);
  return !isPassing(error) && (connection.settled || error.awsCode !== 'AccessDenied');
}

/** A session that still lives may stand in: the fault is AWS's or ours, and its bearer is authorised now. */
function mayStandIn(error: unknown): boolean {
  return isPassing(error) || (error instanceof StsError && error.side === 'ours');
}

/** The owner of the account, or an answer that is not this role's, says no: what was fetched before is not given on. */
function isFromOwner(error: unknown): boolean {
  return error instanceof StsError ? error.side === 'account_owner' : isAnswerRefused(error);
}

export function createSessions({
  clock,
  pace = clock,
  perConnection = 100,
  patienceMs = 1000,
  ...lanesOptions
}: SessionsOptions): Sessions {
  const kept = createKept<KeptSession>(ROOM);
  const flights = new Map<string, Flight>();
  const refusals = createRefusals(clock);
  const newSessions = createNewSessions(perConnection, pace);
  let sealChangedAt: string | undefined;
  const lanes = createLanes({ ...lanesOptions, clock });

  function keep({ key, decision }: Authorized, obtained: Obtained): void {
    flights.delete(key);
    refusals.forget(key);
    const { epoch, workload, connection } = decision;
    const characters = obtained.session.sessionToken.length + key.length + CHARACTERS_BESIDE;
    kept.set({
      ...{ ...obtained, key, workload: workload.id, connection: connection.id, characters },
      ...{ epoch, confirmedAt: clock.monotonic(), pausedUntil: 0 },
    });
  }

  function fail({ key, decision }: Authorized, error: unknown): never {
    flights.delete(key);
    const until = clock.monotonic() + PAUSE_MS;
    if (isFromOwner(error)) kept.delete(key);
    if (isLasting(error, decision)) refusals.remember(key, error, until);
    const old = kept.get(key);
    if (old && !(error instanceof EpochChanged)) old.pausedUntil = until;
    throw error;
  }

  /** One for all who ask for this key until its outcome is on record; nobody's hanging up ends it. */
  async function fly(authorized: Authorized, fetch: () => Promise<Obtained>): Promise<Obtained> {
    const { key } = authorized;
    const { workload, connection, aws } = authorized.decision;
    const underWay = flights.get(key);
    if (underWay) return underWay.obtained;
    refusals.repeat(key);
    newSessions.count({ workload: workload.id, connection: connection.id });
    const failed = (error: unknown): never => fail(authorized, error);
    const obtained = lanes
      .run({ workload: workload.id, connection: connection.id, region: aws.region }, fetch)
      .catch(failed);
    const over = obtained
      .then((fetched) => fetched.recorded.then(() => keep(authorized, fetched), failed))
      .catch(() => {});
    flights.set(key, { obtained, over });
    return obtained;
  }

  /** Its successor, where that comes soon; itself, where it does not come. */
  async function orStillGood(flight: Promise<Obtained>, old: Obtained): Promise<Obtained> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Obtained>((resolve) => {
      timer = setTimeout(() => resolve(old), patienceMs);
    });
    try {
      return await Promise.race([flight, late]);
    } catch (error) {
      if (mayStandIn(error)) return old;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    obtain: async (authorized, fetch) => {
      const old = kept.get(authorized.key);
      const remaining = old ? remainingMs(old, clock) : 0;
      if (!old || remaining < LAST_MS) return fly(authorized, fetch);
      kept.use(old);
      old.epoch = authorized.decision.epoch;
      old.confirmedAt = clock.monotonic();
      const mayFetch = clock.monotonic() >= old.pausedUntil;
      if (remaining >= floorMs(old.seconds)) {
        // What becomes of it is on record; the next hand-out tries again.
        if (mayFetch && isPastHalf(old, remaining)) fly(authorized, fetch).catch(() => {});
        return old;
      }
      return mayFetch ? orStillGood(fly(authorized, fetch), old) : old;
    },
    sweep: (standing) => {
      refusals.sweep();
      if (standing && (standing.seal || standing.sealChangedAt !== sealChangedAt)) kept.clear();
      if (standing) sealChangedAt = standing.sealChangedAt;
      for (const session of kept.values()) {
        const unconfirmed =
          standing !== undefined &&
          session.epoch !== standing.epoch &&
          clock.monotonic() - session.confirmedAt > UNCONFIRMED_MS;
        if (unconfirmed || remainingMs(session, clock) < LAST_MS) kept.delete(session.key);
      }
    },
    clear: () => kept.clear(),
    settled: () => Promise.all([...flights.values()].map(({ over }) => over)),
    get size() {
      return kept.size;
    },
    get refused() {
      return refusals.size;
    },
  };
}

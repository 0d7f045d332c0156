// Sessions that the agent keeps: got once for all who ask, refreshed at half life while in use, given while they live, forgotten where the service says no.
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { floorMs, isPastHalf, LAST_MS, type Life, remainingMs } from '../credentials/freshness.ts';
import { pauseMs } from './again.ts';
import { isLasting, isWaitedFor, Refusal } from './refusal.ts';

/** What a caller asks for, and all that a session hangs on. */
export interface Wanted {
  /** Id or reference. */
  connection: string;
  purpose?: string | undefined;
  durationSeconds?: number | undefined;
}

/** As the service answers: the container credentials shape. */
export interface Credentials {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  Expiration: string;
  AccountId: string;
  RoleArn: string;
  /** Of the connection; an older service does not say it. */
  Region?: string;
}

/** One request to the service, as whoever the agent is. @throws Refusal */
export type AskService = (wanted: Wanted) => Promise<Credentials>;

export interface Log {
  info(members: object, text: string): void;
  warn(members: object, text: string): void;
}

export interface SessionsDeps {
  ask: AskService;
  /** Who asks now: what another obtained is not given. */
  who(): string;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /** Milliseconds; ends early, without an error, when `ended` is aborted. */
  sleep(ms: number, ended: AbortSignal): Promise<void>;
  log: Log;
  /** How long a caller without a session is held while the service is away, milliseconds. */
  holdMs: number;
}

export interface Sessions {
  /**
   * A session that lives long enough; where the service is away, one that lives.
   * @param left aborted when the caller hangs up
   * @throws Refusal, at once where it lasts, after `holdMs` where it passes
   */
  obtain(wanted: Wanted, left?: AbortSignal): Promise<Credentials>;
  /** Begins the refreshes that are due, and forgets what ended; to be called every second. */
  look(): void;
  /** Nobody is held any longer, and what comes now of what was asked is nobody's. */
  close(): void;
  readonly size: number;
}

const MAX_KEPT = 10_000;
/** The service is asked for so many at once; a look leaves the rest for the next. */
const MAX_ASKED = 256;
/** Who holds a session that lives waits so long for its successor; so does who hung up before. */
const SOON_MS = 1000;
/** It is tried for so long after somebody last asked, or for as long as he is held, or a session lives. */
const TRIED_FOR_MS = 300_000;

interface Kept extends Life {
  credentials: Credentials;
  /** Who obtained it. */
  by: string;
  /** By lot, before half: those that were got together are not refreshed together. Milliseconds. */
  spreadMs: number;
}

interface Entry {
  wanted: Wanted;
  kept: Kept | undefined;
  /** Monotonic. */
  askedAt: number;
  flight: Promise<Kept> | undefined;
  /** Why it did not come yet. */
  failure: Refusal | undefined;
  /** A caller hung up while it was held: its kind hears the reason while it listens. */
  hungUp: boolean;
}

/** Of all that a session hangs on. */
export const keyOf = ({ connection, purpose, durationSeconds }: Wanted): string =>
  JSON.stringify([connection, purpose, durationSeconds]);

const toRefusal = (error: unknown): Refusal =>
  error instanceof Refusal
    ? error
    : new Refusal('failed', error instanceof Error ? error.message : 'Something went wrong.', { cause: error });

export function createSessions({ ask, who, clock, random, sleep, log, holdMs }: SessionsDeps): Sessions {
  const entries = new LRUCache<string, Entry>({ max: MAX_KEPT });
  const ended = new AbortController();
  let asking = 0;
  let asker = who();

  const named = ({ wanted }: Entry): object => ({ connection: wanted.connection, purpose: wanted.purpose });
  const remainingOf = ({ kept }: Entry): number => (kept?.by === asker ? remainingMs(kept, clock) : 0);

  function isInUse({ kept, askedAt }: Entry): boolean {
    return clock.monotonic() - askedAt < Math.max(TRIED_FOR_MS, holdMs, (kept?.seconds ?? 0) * 1000);
  }

  /** Its length is what it has left when it comes: the service hands out sessions that others got, too. */
  function keep(entry: Entry, credentials: Credentials, askedAt: number): Kept {
    const expiresAt = Date.parse(credentials.Expiration);
    const seconds = Math.max(0, (expiresAt - clock.wall()) / 1000);
    const kept = { credentials, by: asker, seconds, expiresAt, askedAt, spreadMs: random() * seconds * 50 };
    Object.assign(entry, { kept, failure: undefined, hungUp: false });
    log.info({ ...named(entry), expires: credentials.Expiration }, 'session obtained');
    return kept;
  }

  async function askNow({ wanted }: Entry): Promise<Credentials> {
    asking++;
    try {
      return await ask(wanted);
    } finally {
      asking--;
    }
  }

  /** Sleeps so long, and on while the service is asked for enough by others. @throws the refusal where nobody wants it now */
  async function rest(entry: Entry, ms: number, refusal: Refusal): Promise<void> {
    for (let left = ms; ; left = pauseMs(1, undefined, random())) {
      await sleep(left, ended.signal);
      const isKept = entries.peek(keyOf(entry.wanted)) === entry;
      if (ended.signal.aborted || !isKept || !isInUse(entry)) throw refusal;
      if (asking < MAX_ASKED) return;
    }
  }

  async function tryFor(entry: Entry): Promise<Kept> {
    for (let failures = 1; ; failures++) {
      const askedAt = clock.monotonic();
      const by = (asker = who());
      try {
        const credentials = await askNow(entry);
        asker = who();
        if (by !== asker) continue;
        return keep(entry, credentials, askedAt);
      } catch (error) {
        const refusal = toRefusal(error);
        const { code, message: reason, options } = refusal;
        const said = { ...named(entry), code, reason, request: options.requestId, sts_request: options.stsRequestId };
        if (isLasting(refusal) || (!isWaitedFor(refusal) && remainingOf(entry) < LAST_MS)) {
          entry.kept = undefined;
          entries.delete(keyOf(entry.wanted));
          log.warn(said, 'refused: nothing is kept of it');
          throw refusal;
        }
        entry.failure = refusal;
        const ms = pauseMs(failures, options.retryAfter, random());
        log.warn({ ...said, again_in_ms: Math.round(ms) }, 'no session yet');
        await rest(entry, ms, refusal);
      }
    }
  }

  /** One for all who ask for the same; nobody's hanging up ends it. */
  function fly(entry: Entry): Promise<Kept> {
    if (entry.flight) return entry.flight;
    if (asking >= MAX_ASKED)
      return Promise.reject(
        new Refusal('unavailable', `The agent asks for ${MAX_ASKED} sessions already.`, {
          ...{ retryAfter: 1, hint: 'Ask again in a moment.' },
        }),
      );
    const flight = tryFor(entry).finally(() => (entry.flight = undefined));
    flight.catch(() => {});
    entry.flight = flight;
    return flight;
  }

  /** The flight's outcome, or what `late` says after so long, or as soon as the agent ends. */
  async function within<T>(ms: number, flight: Promise<Kept>, late: () => T): Promise<Kept | T> {
    const timer = new AbortController();
    try {
      return await Promise.race([flight, sleep(ms, AbortSignal.any([timer.signal, ended.signal])).then(late)]);
    } finally {
      timer.abort();
    }
  }

  function stillTrying({ failure }: Entry): never {
    const { code = 'unavailable', message = 'The service has not answered yet.', options = {} } = failure ?? {};
    throw new Refusal(code, `${message} The agent ${ended.signal.aborted ? 'is stopping' : 'goes on trying'}.`, {
      ...options,
      retryAfter: options.retryAfter ?? 1,
    });
  }

  async function heldFor(entry: Entry, left: AbortSignal | undefined): Promise<Kept> {
    const hangUp = (): void => void (entry.hungUp = true);
    left?.addEventListener('abort', hangUp);
    try {
      return await within(entry.hungUp ? SOON_MS : holdMs, fly(entry), () => stillTrying(entry));
    } finally {
      left?.removeEventListener('abort', hangUp);
    }
  }

  async function orStillGood(entry: Entry, old: Kept): Promise<Kept> {
    try {
      return await within(SOON_MS, fly(entry), () => old);
    } catch (error) {
      if (isLasting(toRefusal(error))) throw error;
      return old;
    }
  }

  async function obtainKept(entry: Entry, left: AbortSignal | undefined): Promise<Kept> {
    const { kept } = entry;
    const remaining = remainingOf(entry);
    if (!kept || remaining < LAST_MS) return await heldFor(entry, left);
    if (remaining < floorMs(kept.seconds)) return await orStillGood(entry, kept);
    if (isPastHalf(kept, remaining)) fly(entry).catch(() => {});
    return kept;
  }

  return {
    obtain: async (wanted, left) => {
      const key = keyOf(wanted);
      const found = entries.get(key);
      const entry = found ?? {
        wanted,
        kept: undefined,
        askedAt: 0,
        flight: undefined,
        failure: undefined,
        hungUp: false,
      };
      if (!found) entries.set(key, entry);
      asker = who();
      entry.askedAt = clock.monotonic();
      return (await obtainKept(entry, left)).credentials;
    },
    look: () => {
      asker = who();
      for (const [key, entry] of entries.entries()) {
        const { kept } = entry;
        const remaining = remainingOf(entry);
        if (kept && remaining >= LAST_MS) {
          if (isInUse(entry) && isPastHalf(kept, remaining - kept.spreadMs)) fly(entry).catch(() => {});
        } else if (!entry.flight) entries.delete(key);
      }
    },
    close: () => {
      ended.abort();
      entries.clear();
    },
    get size() {
      return entries.size;
    },
  };
}

// The keys of trusted issuers in memory: fetched once a minute at most, ten minutes old at most, six hours where nobody answers.
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Ask } from '../reach/stranger.ts';
import { fetchKeys, KeysUnreadable } from './fetch.ts';
import { readPasted, type VerificationKey, type VerificationKeys } from './jwks.ts';
import type { TrustedIssuer } from './store.ts';

/** From one fetch to the next at least, whoever asks for what. */
export const FETCH_EVERY_MS = 60_000;
/** Older ones wait to be renewed: what an issuer removed passes no longer than that while it answers. */
export const RENEW_AFTER_MS = 600_000;
/** Older ones are renewed beside while they are used, so that nobody waits for an issuer that is asked often. */
const RENEW_BESIDE_MS = RENEW_AFTER_MS / 2;
/** Older ones verify nothing: what an issuer removed long ago must not pass because it cannot be asked. */
export const KEPT_MS = 6 * 3_600_000;
const ISSUERS = 1000;

export interface Look {
  kids: string[];
  /** Milliseconds since the last good fetch; undefined where there was none, and for pasted keys. */
  ageMs: number | undefined;
  /** Why the last fetch failed; undefined where it did not. */
  failure: string | undefined;
}

export interface IssuerKeys {
  /** @returns undefined where the issuer has no such key. @throws KeysUnreadable where nobody can tell. */
  find(issuer: TrustedIssuer, kid: string): Promise<VerificationKey | undefined>;
  /** What this process holds, fetched first where it holds nothing. */
  look(issuer: TrustedIssuer): Promise<Look>;
}

interface Held {
  keys: VerificationKeys | undefined;
  /** On the monotonic clock: of the keys, of the last try, and of its end where it failed. */
  fetchedAt: number;
  triedAt: number;
  failedAt: number;
  failure: string | undefined;
  underWay: Promise<void> | undefined;
}

interface KeysDeps {
  ask: Ask;
  clock: Pick<Clock, 'monotonic'>;
  log: { warn(details: object, message: string): void };
}

export function createIssuerKeys({ ask, clock, log }: KeysDeps): IssuerKeys {
  // By the version of the row: what was fetched for another URL or by other rules is nobody's.
  const held = new LRUCache<string, Held>({ max: ISSUERS });

  function holdOf({ id, version }: TrustedIssuer): Held {
    const name = `${id} ${version}`;
    let hold = held.get(name);
    if (!hold) {
      const never = Number.NEGATIVE_INFINITY;
      const times = { fetchedAt: never, triedAt: never, failedAt: never };
      hold = { keys: undefined, ...times, failure: undefined, underWay: undefined };
      held.set(name, hold);
    }
    return hold;
  }

  const age = (hold: Held): number => clock.monotonic() - hold.fetchedAt;
  const usable = (hold: Held): VerificationKeys | undefined => (age(hold) < KEPT_MS ? hold.keys : undefined);

  /** Whether its keys are to be used as they are: young enough, or their issuer was found away a moment ago. */
  const stands = (hold: Held): boolean =>
    age(hold) < RENEW_AFTER_MS || clock.monotonic() - hold.failedAt < RENEW_AFTER_MS;

  /** One at a time, and one a minute. Never throws. */
  function renew(issuer: TrustedIssuer, hold: Held): Promise<void> {
    if (hold.underWay) return hold.underWay;
    if (clock.monotonic() - hold.triedAt < FETCH_EVERY_MS) return Promise.resolve();
    hold.triedAt = clock.monotonic();
    const fetching = async (): Promise<void> => {
      try {
        hold.keys = await fetchKeys(ask, issuer);
        // As old as the question: what changed while it was answered may not be in it.
        hold.fetchedAt = hold.triedAt;
        hold.failedAt = Number.NEGATIVE_INFINITY;
        hold.failure = undefined;
      } catch (error) {
        hold.failedAt = clock.monotonic();
        hold.failure = error instanceof KeysUnreadable ? error.message : 'the keys could not be fetched';
        log.warn(
          { trusted_issuer: issuer.id, reason: hold.failure },
          'the keys of a trusted issuer could not be fetched',
        );
      } finally {
        hold.underWay = undefined;
      }
    };
    hold.underWay = fetching();
    return hold.underWay;
  }

  const opened = new LRUCache<string, VerificationKeys>({ max: ISSUERS });

  function openPasted(issuer: TrustedIssuer): VerificationKeys {
    const name = `${issuer.id} ${issuer.version}`;
    const keys = opened.get(name) ?? readPasted(issuer);
    opened.set(name, keys);
    return keys;
  }

  return {
    find: async (issuer, kid) => {
      if (issuer.jwks !== null) return openPasted(issuer).get(kid);
      const hold = holdOf(issuer);
      const known = usable(hold)?.get(kid);
      if (known && stands(hold)) {
        if (age(hold) >= RENEW_BESIDE_MS) void renew(issuer, hold);
        return known;
      }
      await renew(issuer, hold);
      const keys = usable(hold);
      if (!keys) throw new KeysUnreadable(hold.failure ?? 'the keys could not be fetched');
      return keys.get(kid);
    },
    look: async (issuer) => {
      if (issuer.jwks !== null) return { kids: [...openPasted(issuer).keys()], ageMs: undefined, failure: undefined };
      const hold = holdOf(issuer);
      if (!usable(hold)) await renew(issuer, hold);
      const keys = usable(hold);
      return { kids: [...(keys?.keys() ?? [])], ageMs: keys && age(hold), failure: hold.failure };
    },
  };
}

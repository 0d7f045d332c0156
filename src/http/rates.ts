// How often: requests of a client that has proved who it is, failures to prove it of one address, and its questions.
import type { FastifyInstance } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import { callerOf } from './addresses.ts';
import type { RateBounds } from './bounds.ts';

/** Keys remembered; who is forgotten has his bucket full again. */
const REMEMBERED = 10_000;
/** So many seconds' worth may come at once: a fleet starts at once. */
const BURST_SECONDS = 4;

export interface Rate {
  /** Seconds until one more is within the rate, where it is not now. */
  wait(key: string): number | undefined;
  /** Counts one that is within the rate; @returns what `wait` says where it is not, and counts nothing. */
  take(key: string): number | undefined;
}

/** Each key's requests spread evenly (GCRA): what is remembered of a key is the time at which it is even again. */
export function createRate(perSecond: number, clock: Pick<Clock, 'monotonic'>, remembered = REMEMBERED): Rate {
  const even = new LRUCache<string, number>({ max: remembered });
  const each = 1000 / perSecond;
  const burst = BURST_SECONDS * 1000;
  const wait = (key: string): number | undefined => {
    if (even.size === 0) return undefined;
    const ms = (even.get(key) ?? 0) + each - burst - clock.monotonic();
    return ms > 0 ? Math.ceil(ms / 1000) : undefined;
  };
  return {
    wait,
    take: (key) => {
      const seconds = wait(key);
      if (seconds !== undefined) return seconds;
      even.set(key, Math.max(even.get(key) ?? 0, clock.monotonic()) + each);
      return undefined;
    },
  };
}

export class RateLimited extends Problem {
  /** Whose request it was, where that was proved. */
  readonly bearer: string | undefined;

  constructor(detail: string, hint: string, retryAfter: number, bearer?: string) {
    super('rate_limited', detail, { hint, retryAfter });
    this.bearer = bearer;
  }
}

export interface Limits {
  /** @throws RateLimited where this address failed too often: before anything is looked up or verified for it. */
  admit(address: string): void;
  /** Somebody at this address did not prove who it is. */
  failed(address: string): void;
  /** One question of this address, which needs no proof. @throws RateLimited */
  ask(address: string): void;
  /** One request of who has proved to be this client. @throws RateLimited */
  count(client: string): void;
}

export function createLimits({ perClient, failuresPerAddress }: RateBounds, clock: Pick<Clock, 'monotonic'>): Limits {
  const clients = createRate(perClient, clock);
  const failures = createRate(failuresPerAddress, clock);
  // Apart from failures: who asks where to sign in has failed at nothing.
  const questions = createRate(failuresPerAddress, clock);
  return {
    admit: (address) => {
      const seconds = failures.wait(callerOf(address));
      if (seconds === undefined) return;
      throw new RateLimited(
        'Too many requests from this address did not prove who sends them.',
        'Find who sends a wrong assertion or token. Behind a proxy, the service needs TRUST_PROXY to tell callers apart.',
        seconds,
      );
    },
    failed: (address) => void failures.take(callerOf(address)),
    ask: (address) => {
      const seconds = questions.take(callerOf(address));
      if (seconds === undefined) return;
      throw new RateLimited(
        `This address asks more than ${failuresPerAddress} times a second.`,
        'Wait a moment. Behind a proxy, the service needs TRUST_PROXY to tell callers apart.',
        seconds,
      );
    },
    count: (client) => {
      const seconds = clients.take(client);
      if (seconds === undefined) return;
      throw new RateLimited(
        `This client sends more than ${perClient} requests a second.`,
        'Use a token and credentials until they are about to expire. An operator can raise RATE_LIMIT_PER_CLIENT.',
        seconds,
        client,
      );
    },
  };
}

/** Around authentication: an address that fails too often is refused before it, and each failure is one. */
export function limitStrangers(scope: FastifyInstance, limits: Limits, isStranger: (error: unknown) => boolean): void {
  scope.addHook('onRequest', (request, _reply, done) => {
    limits.admit(request.ip);
    done();
  });
  scope.addHook('onError', (request, _reply, error, done) => {
    if (!(error instanceof RateLimited) && isStranger(error)) limits.failed(request.ip);
    done();
  });
}

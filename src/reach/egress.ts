// The one way out for a URL that comes from data: https, the resolved address looked at when it connects, no redirect, bounds.
import { lookup as lookupByName } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { StartError } from '../errors.ts';
import { mayGoTo } from './egress-addresses.ts';
import { type Ask, createAsk } from './stranger.ts';

export const EGRESS_DEADLINE_MS = 2_500;
export const EGRESS_MAX_BODY = 64 * 1024;

/** The place may not be gone to. Its message names the address, and is for operators. */
export class EgressRefused extends Error {
  readonly code = 'EGRESS_REFUSED';
}

export interface EgressOptions {
  /** What `EGRESS_ALLOW_CIDRS` adds to the public internet; plain http goes there alone. */
  allowed(address: string): boolean;
  /** Every address of a name; the system's answer unless given. */
  resolve?: ((name: string) => Promise<string[]>) | undefined;
  /** PEM of the roots to trust; Node's own, with those that `NODE_EXTRA_CA_CERTS` adds, unless given. */
  trust?: readonly string[] | undefined;
  /** For a whole answer, milliseconds; `EGRESS_DEADLINE_MS` unless given. */
  deadlineMs?: number;
}

const resolveByName = async (name: string): Promise<string[]> =>
  (await lookupByName(name, { all: true })).map(({ address }) => address);

/** @throws EgressRefused (as any `Ask` throws) where one address of the name is not to be gone to */
export function createEgress({
  allowed,
  resolve = resolveByName,
  trust,
  deadlineMs = EGRESS_DEADLINE_MS,
}: EgressOptions): Ask {
  function assertMayGo(url: URL, addresses: readonly string[]): void {
    for (const address of addresses) {
      if (!mayGoTo(address, allowed)) throw new EgressRefused(`${url.hostname} is ${address}, which is not public`);
      if (url.protocol !== 'https:' && !allowed(address)) throw new EgressRefused(`${url.origin} is not https`);
    }
  }

  /** What the connection is made to is what was looked at: a name is resolved once for each. */
  function lookupFor(url: URL): LookupFunction {
    return (name, options, answer) => {
      resolve(name).then(
        (addresses) => {
          try {
            assertMayGo(url, addresses);
          } catch (error) {
            return answer(error as Error, '');
          }
          const [first] = addresses;
          if (first === undefined) return answer(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
          if (!options.all) return answer(null, first, isIP(first));
          return answer(
            null,
            addresses.map((address) => ({ address, family: isIP(address) })),
          );
        },
        (error: Error) => answer(error, ''),
      );
    };
  }

  return async (url) => {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new EgressRefused(`${url.protocol} is not https`);
    if (url.username !== '' || url.password !== '') throw new EgressRefused('a URL with a user is not gone to');
    // An address in the URL is not looked up by name: it is what is connected to.
    const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal)) assertMayGo(url, [literal]);
    const ask = createAsk(trust ?? getCACertificates('default'), {
      ...{ deadlineMs, maxBody: EGRESS_MAX_BODY, lookup: lookupFor(url) },
    });
    return await ask(url);
  };
}

/** Nothing listens there; a guard that holds never finds out. */
const TRIALS = ['https://127.0.0.1:9/', 'https://[::1]:9/', 'https://[::ffff:127.0.0.1]:9/', 'https://localhost:9/'];

/**
 * Proves at the start that the guard refuses this machine, by address and by name.
 * @throws StartError `egress_unguarded`
 */
export async function assertGuarded(ask: Ask): Promise<void> {
  for (const trial of TRIALS) {
    const code = await ask(new URL(trial)).then(
      () => 'an answer',
      (error: { code?: string }) => error.code ?? 'unknown',
    );
    // A host without that name goes nowhere either.
    if (code === 'EGRESS_REFUSED' || (trial.includes('localhost') && /^(ENOTFOUND|EAI_)/.test(code))) continue;
    throw new StartError(
      'egress_unguarded',
      `The guard of outgoing requests let one through to ${trial} (${code}).`,
      'Do not run this build: report it. Nothing else was started.',
    );
  }
}

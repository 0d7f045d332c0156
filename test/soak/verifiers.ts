// Strangers who verify tokens: each keeps the JWKS that it fetched for its own time, from 0 s to A, and knows nothing else.
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import type { Random } from './random.ts';

export interface Tampered {
  /** By kid: from when its tokens are nobody's loss. */
  revoked: Map<string, number>;
}

export interface Verifiers {
  /** Shows a token to one of them, and asks the others whether they know its key. */
  show(token: string): Promise<void>;
  /** Shows tokens of before again, to every one. */
  showAgain(): Promise<void>;
  /** Refusals of tokens of unrevoked keys. */
  refused: string[];
  tally: { verified: number; again: number; fetched: number; kids: Set<string> };
}

interface Verifier {
  /** Seconds that it keeps a JWKS. */
  keeps: number;
  jwks?: { at: number; kids: Set<string>; find: ReturnType<typeof createLocalJWKSet> } | undefined;
  fetching?: Promise<void> | undefined;
}

const KEPT_OF_A_KEY = 20;

export function createVerifiers(options: {
  issuerUrl: string;
  /** A, milliseconds. */
  verifierCache: number;
  random: Random;
  revoked: Map<string, number>;
}): Verifiers {
  const { issuerUrl, verifierCache, random, revoked } = options;
  const all: Verifier[] = [0, 0.25, 0.5, 0.75, 1, 1].map((share) => ({ keeps: share * verifierCache }));
  const kept = new Map<string, string[]>();
  const refused: string[] = [];
  const tally: Verifiers['tally'] = { verified: 0, again: 0, fetched: 0, kids: new Set() };

  /** Its age counts from the sending of the request, which is before the origin's answer. */
  async function fetchJwks(verifier: Verifier): Promise<void> {
    const at = performance.now();
    const response = await fetch(`${issuerUrl}/jwks`, { headers: { connection: 'close' } }).catch(() => undefined);
    if (!response?.ok) return void (await new Promise((resolve) => setTimeout(resolve, 20)));
    const keys = (await response.json()) as JSONWebKeySet;
    if (keys.keys.length > 10) refused.push(`${keys.keys.length} keys in a set`);
    verifier.jwks = { at, kids: new Set(keys.keys.map((key) => key.kid as string)), find: createLocalJWKSet(keys) };
    tally.fetched += 1;
  }

  /** What it may use now; who keeps nothing takes what was fetched after it was asked. */
  async function current(verifier: Verifier): Promise<NonNullable<Verifier['jwks']>> {
    const asked = performance.now();
    for (;;) {
      const { jwks } = verifier;
      const now = performance.now();
      if (jwks && (now - jwks.at <= verifier.keeps || jwks.at >= asked)) return jwks;
      verifier.fetching ??= fetchJwks(verifier).finally(() => (verifier.fetching = undefined));
      await verifier.fetching;
    }
  }

  const isLost = (kid: string): boolean => revoked.has(kid);

  async function verify(verifier: Verifier, token: string, kid: string): Promise<void> {
    const jwks = await current(verifier);
    try {
      await jwtVerify(token, jwks.find, { issuer: issuerUrl, typ: 'at+jwt', algorithms: ['ES256'] });
    } catch (error) {
      if (isLost(kid)) return;
      const age = Math.round(performance.now() - jwks.at);
      refused.push(`${kid} by a verifier with a cache of ${age} of ${verifier.keeps} ms: ${(error as Error).message}`);
    }
  }

  return {
    ...{ refused, tally },
    show: async (token) => {
      const kid = decodeProtectedHeader(token).kid as string;
      tally.kids.add(kid);
      const tokens = kept.get(kid) ?? [];
      kept.set(kid, tokens);
      if (tokens.length < KEPT_OF_A_KEY) tokens.push(token);
      else if (random.chance(0.02)) tokens[random.whole(KEPT_OF_A_KEY)] = token;
      tally.verified += 1;
      const now = performance.now();
      for (const { jwks, keeps } of all) {
        if (!jwks || now - jwks.at > keeps || jwks.kids.has(kid) || isLost(kid)) continue;
        refused.push(`${kid} is unknown to a verifier with a cache of ${Math.round(now - jwks.at)} of ${keeps} ms`);
      }
      await verify(random.pick(all), token, kid);
    },
    showAgain: async () => {
      for (const [kid, tokens] of kept) {
        if (isLost(kid)) kept.delete(kid);
        else
          for (const verifier of all) {
            tally.again += 1;
            await verify(verifier, random.pick(tokens), kid);
          }
      }
    },
  };
}

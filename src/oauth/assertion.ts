// Client assertions (RFC 7523) by a key of the client's own: what is checked before the signature, and named.
import type { Clock } from '../clock.ts';
import type { Algorithm } from '../keys/algorithms.ts';
import { type Compact, MalformedToken, parseCompact } from '../tokens/compact.ts';

const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256'];
export const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_LIFE_SECONDS = 300;

export interface Assertion {
  clientId: string;
  algorithm: Algorithm;
  kid: string | undefined;
  jti: string;
  /** Seconds since the epoch. */
  exp: number;
}

/** A fault of the assertion that reveals nothing about the client: the caller is told which. */
export class AssertionFault extends Error {}

const LONGEST = 4096;

/** @throws AssertionFault */
export function openAssertion(token: string): Compact {
  try {
    return parseCompact(token);
  } catch (error) {
    if (error instanceof MalformedToken)
      throw new AssertionFault(`the client assertion is malformed: ${error.message}`);
    throw error;
  }
}

/** Whether it says that a platform made it: a client's own id is no URL. */
export function isOfAnotherIssuer({ payload: { iss } }: Compact): boolean {
  return typeof iss === 'string' && iss.includes('://');
}

/**
 * Reads an assertion and checks everything that needs no key: aud is the issuer and nothing else, iss = sub, a life of
 * at most 5 minutes, a jti, one of our algorithms.
 * @throws AssertionFault with a sentence.
 */
export function readAssertion(
  token: string,
  issuerUrl: string,
  clock: Clock,
  { header, payload }: Compact = openAssertion(token),
): Assertion {
  const { iss, sub, aud, exp, iat, nbf, jti } = payload;
  if (token.length > LONGEST)
    throw new AssertionFault(`the client assertion is malformed: it is longer than ${LONGEST} characters`);
  const algorithm = ALGORITHMS.find((one) => one === header['alg']);
  if (!algorithm) throw new AssertionFault(`the client assertion's alg must be one of ${ALGORITHMS.join(', ')}`);
  const typ = header['typ'];
  if (typ !== undefined && typ !== 'JWT' && typ !== 'client-authentication+jwt')
    throw new AssertionFault("the client assertion's typ must be JWT or client-authentication+jwt");
  const kid = header['kid'];
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 128))
    throw new AssertionFault("the client assertion's kid must be a string");
  if (typeof sub !== 'string' || iss !== sub)
    throw new AssertionFault("the client assertion's iss and sub must both be the client_id");
  if (aud !== issuerUrl) throw new AssertionFault(`the client assertion's aud must be "${issuerUrl}" and nothing else`);
  if (typeof jti !== 'string' || !/^[!-~]{8,128}$/.test(jti))
    throw new AssertionFault(
      "the client assertion's jti must be a string of 8 to 128 visible characters, new each time",
    );
  if (!Number.isInteger(exp)) throw new AssertionFault("the client assertion's exp must be whole seconds");
  const now = clock.wall() / 1000;
  if ((exp as number) + CLOCK_TOLERANCE_SECONDS <= now)
    throw new AssertionFault('the client assertion has expired; compare the clocks');
  if ((exp as number) > now + MAX_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS)
    throw new AssertionFault(`the client assertion's exp must be at most ${MAX_LIFE_SECONDS} s from now`);
  for (const [name, value] of [
    ['iat', iat],
    ['nbf', nbf],
  ] as const) {
    if (value === undefined) continue;
    if (!Number.isInteger(value)) throw new AssertionFault(`the client assertion's ${name} must be whole seconds`);
    if ((value as number) > now + CLOCK_TOLERANCE_SECONDS)
      throw new AssertionFault(`the client assertion's ${name} is in the future; compare the clocks`);
  }
  return { clientId: sub, algorithm, kid, jti, exp: exp as number };
}

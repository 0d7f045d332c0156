// One token of a trusted issuer: what it says, and whether the issuer that it names signed it. Whose it is, is asked elsewhere.
import { unavailable } from '../errors.ts';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../keys/algorithms.ts';
import { type Compact, MalformedToken, parseCompact } from '../tokens/compact.ts';
import { verifies } from '../tokens/signature.ts';
import { KeysUnreadable } from './fetch.ts';
import type { IssuerKeys } from './keys.ts';
import { KIND } from './kinds.ts';
import { ProofRefused } from './refused.ts';
import { findSigner } from './sharing.ts';
import { requireSignIn } from './sign-in.ts';
import type { TrustedIssuer } from './store.ts';

/** The same for an issuer that nobody trusts, a key that it does not have and a signature that is not its own. */
const UNPROVED = 'its issuer is not trusted here, or did not sign it';

/** Of others' clocks: for what lies ahead. What has ended has ended. */
const TOLERANCE_SECONDS = 30;

/** What it is shown as: what a platform says of a workload, or what a sign-in said of a person. */
export type Shown = 'platform' | 'person';

export interface IssuedToken {
  token: string;
  algorithm: SignatureAlgorithm;
  typ: unknown;
  kid: string;
  /** `iss`, not yet trusted. */
  issuer: string;
  subject: string;
  audience: string;
  payload: Record<string, unknown>;
}

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= longest &&
  /^[^\u0000-\u001f\u007f\ud800-\udfff]*$/.test(value);

function open(token: string): Compact {
  try {
    return parseCompact(token);
  } catch (error) {
    if (error instanceof MalformedToken) throw new ProofRefused(error.message);
    throw error;
  }
}

/**
 * What can be read without knowing its issuer. Nothing of the header is followed or fetched.
 * @throws ProofRefused
 */
export function readIssuedToken(token: string, issuerUrl: string, compact = open(token)): IssuedToken {
  const { header, payload } = compact;
  const { iss, sub, aud } = payload;
  const algorithm = SIGNATURE_ALGORITHMS.find((name) => name === header['alg']);
  if (!algorithm) throw new ProofRefused('its alg is none that a trusted issuer signs with');
  if (!isText(header['kid'], 256)) throw new ProofRefused('it names no key (kid)');
  if (!isText(iss, 512)) throw new ProofRefused('it names no issuer (iss)');
  // As we write it, and no other: whoever could be trusted under another spelling was refused when that was asked for.
  if (iss === issuerUrl || iss.startsWith(`${issuerUrl}/`))
    throw new ProofRefused('it is one of ours: what was exchanged is not exchanged again');
  if (!isText(sub, 512)) throw new ProofRefused('it names nobody (sub)');
  // Another recipient of the same token could show it here.
  const [audience, ...more] = Array.isArray(aud) ? (aud as unknown[]) : [aud];
  if (!isText(audience, 512) || more.length > 0) throw new ProofRefused('it is not for one audience alone (aud)');
  const { typ, kid } = header;
  return { token, algorithm, typ, kid: kid as string, issuer: iss, subject: sub, audience, payload };
}

export interface Times {
  /** Seconds since the epoch; undefined where the kind does not say. */
  issuedAt: number | undefined;
  expiresAt: number;
}

function readTimes({ payload }: IssuedToken, issuer: TrustedIssuer, now: number): Times {
  const { exp, iat, nbf } = payload;
  if (!Number.isInteger(exp)) throw new ProofRefused('it has no end (exp), or not in whole seconds');
  for (const [name, value] of Object.entries({ iat, nbf })) {
    if (value === undefined && (name === 'nbf' || !KIND[issuer.kind].iat)) continue;
    if (!Number.isInteger(value)) throw new ProofRefused(`its ${name} is missing, or not in whole seconds`);
    if ((value as number) > now + TOLERANCE_SECONDS)
      throw new ProofRefused(`its ${name} is in the future; compare the clocks`);
  }
  const [expiresAt, issuedAt] = [exp as number, iat as number | undefined];
  // A token of ours lives for a second at least, and for no longer than this.
  if (expiresAt < now + 1) throw new ProofRefused('it has expired');
  const from = issuedAt ?? now;
  if (expiresAt - from > issuer.max_token_seconds)
    throw new ProofRefused(`it lives longer than ${issuer.max_token_seconds} s, the most that is taken of its issuer`);
  return { issuedAt, expiresAt };
}

export interface VerifyIssuedDeps {
  keys: Pick<IssuerKeys, 'find'>;
  /** Milliseconds since the epoch: the database's time, which no clock of one machine moves. */
  now(): number;
}

/**
 * Which issuer signed it, by that issuer's rules: key, algorithm, typ, times; and of a sign-in, whether it was one here.
 * @param issuers those with its `iss`
 * @throws ProofRefused; Problem `unavailable` where the issuer's keys cannot be read.
 */
export async function verifyIssuedToken(
  token: IssuedToken,
  shown: Shown,
  issuers: readonly TrustedIssuer[],
  { keys, now }: VerifyIssuedDeps,
): Promise<Times & { issuer: TrustedIssuer }> {
  const issuer = findSigner(issuers, token);
  if (issuer?.state !== 'active') throw new ProofRefused(UNPROVED);
  if (!issuer.algorithms.includes(token.algorithm)) throw new ProofRefused(UNPROVED);
  let key: Awaited<ReturnType<IssuerKeys['find']>>;
  try {
    key = await keys.find(issuer, token.kid);
  } catch (error) {
    if (error instanceof KeysUnreadable) throw unavailable("The keys of the token's issuer cannot be read now.", error);
    throw error;
  }
  if (!key?.algorithms.includes(token.algorithm)) throw new ProofRefused(UNPROVED);
  if (!(await verifies(token.token, key.key, token.algorithm))) throw new ProofRefused(UNPROVED);
  if (shown === 'person') requireSignIn(token, issuer);
  else if (!KIND[issuer.kind].typ.includes(token.typ as string | undefined))
    throw new ProofRefused('it is a token of another kind (typ)');
  return { issuer, ...readTimes(token, issuer, now() / 1000) };
}

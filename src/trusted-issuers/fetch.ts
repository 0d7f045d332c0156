// An issuer's keys from where it publishes them: discovery and JWKS, each answer held against what it must be.
import { JsonError, parseStrictJson } from '../json.ts';
import { nameFailure } from '../reach/failures.ts';
import type { Answer, Ask } from '../reach/stranger.ts';
import { readJwks, type VerificationKeys } from './jwks.ts';
import { KIND } from './kinds.ts';
import type { TrustedIssuer } from './store.ts';

/** Its message says what is wrong with the issuer or with the way there, and is for operators. */
export class KeysUnreadable extends Error {}

const JSON_TYPE = /^application\/json\s*(;|$)/i;
const JWKS_TYPE = /^application\/(jwk-set\+)?json\s*(;|$)/i;

async function read(ask: Ask, url: URL, type: RegExp): Promise<Record<string, unknown>> {
  const refuse = (what: string): KeysUnreadable => new KeysUnreadable(`${url.href}: ${what}`);
  let answer: Answer;
  try {
    answer = await ask(url);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'EGRESS_REFUSED')
      throw refuse(`it may not be gone to: ${message}. EGRESS_ALLOW_CIDRS names private addresses that may`);
    if (code === 'ABORT_ERR' || code === 'ECONNRESET') throw refuse('there was no whole answer in time');
    throw refuse(nameFailure(url, error).detail);
  }
  // A redirect is an answer like any other that is not 200: it is not followed.
  if (answer.status !== 200) throw refuse(`the answer is ${answer.status}`);
  if (!type.test(answer.contentType ?? '')) throw refuse('the content type is not JSON');
  if (answer.body === undefined) throw refuse('the body has more than 64 kB');
  try {
    const value = parseStrictJson(answer.body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw refuse('the body is not a sound JSON object');
}

async function findJwksUrl(ask: Ask, { issuer, jwks_uri }: TrustedIssuer): Promise<URL> {
  if (jwks_uri !== null) return new URL(jwks_uri);
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const document = await read(ask, url, JSON_TYPE);
  if (document['issuer'] !== issuer) throw new KeysUnreadable(`${url.href}: its issuer is another than ${issuer}`);
  const found = typeof document['jwks_uri'] === 'string' ? URL.parse(document['jwks_uri']) : null;
  if (found?.origin !== url.origin)
    throw new KeysUnreadable(`${url.href}: its jwks_uri is on another host; pin jwks_uri where that is right`);
  return found;
}

/** Two requests at most, each bounded in time and size. @throws KeysUnreadable */
export async function fetchKeys(ask: Ask, issuer: TrustedIssuer): Promise<VerificationKeys> {
  const url = await findJwksUrl(ask, issuer);
  const keys = readJwks(await read(ask, url, JWKS_TYPE), KIND[issuer.kind].use);
  if (!keys) throw new KeysUnreadable(`${url.href}: it is no JWKS`);
  return keys;
}

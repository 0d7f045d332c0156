// A token from the service's token endpoint, for whatever proves who asks.
import { Failure } from './failure.ts';
import { findTokenCode, readAnswer } from './answer.ts';
import { baseUrl, send } from './http.ts';
import type { Proof } from './proof.ts';

export interface Discovered {
  issuer: string;
  tokenEndpoint: string;
}

export interface TokenAnswer {
  access_token: string;
  token_type: string;
  /** Seconds. */
  expires_in: number;
  scope?: string;
}

/** Reads the issuer and its token endpoint from where this client was told the service is. */
export async function discover(url: string): Promise<Discovered> {
  const answer = await send({
    method: 'GET',
    url: `${url}/.well-known/openid-configuration`,
    headers: { accept: 'application/json' },
  });
  const document = readAnswer(answer) as { issuer?: unknown; token_endpoint?: unknown };
  if (typeof document?.issuer !== 'string' || typeof document.token_endpoint !== 'string') {
    throw new Failure('no_token_endpoint', `The discovery document at ${url} names no token endpoint.`, {
      hint: 'COUNTERSIGN_URL must be the internal URL (INTERNAL_URL of the service): the public one gives no tokens.',
    });
  }
  return {
    issuer: document.issuer,
    tokenEndpoint: baseUrl(document.token_endpoint, 'The token endpoint that discovery names'),
  };
}

/**
 * @param proof the part of the form that says who asks
 * @param wanted no scopes where empty
 * @throws Failure with the OAuth error as its code, where the service itself says it
 */
export async function requestToken(
  proof: Proof,
  discovered: Discovered,
  wanted: { resource: string; scopes: readonly string[] },
): Promise<TokenAnswer> {
  const form = new URLSearchParams({ ...proof, resource: wanted.resource });
  if (wanted.scopes.length > 0) form.set('scope', wanted.scopes.join(' '));
  const answer = await send({
    method: 'POST',
    url: discovered.tokenEndpoint,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
  });
  return readToken(readAnswer(answer, findTokenCode));
}

export function readToken(value: unknown): TokenAnswer {
  const token = value as TokenAnswer | undefined;
  if (typeof token?.access_token === 'string' && typeof token.expires_in === 'number') return token;
  throw new Failure('unexpected_answer', 'The answer holds no access token.', {
    hint: 'Is COUNTERSIGN_URL the internal URL of the service?',
  });
}

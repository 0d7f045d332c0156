// A token from the service's token endpoint, for an assertion by a key of this client's own, or for its platform's token.
import { Failure } from './failure.ts';
import { readAnswer } from './answer.ts';
import { buildAssertion } from './assertion.ts';
import { baseUrl, send } from './http.ts';
import { readPrivateKey } from './jwk.ts';

export interface Client {
  clientId: string;
  privateKeyFile: string;
  /** The internal URL, without a trailing slash. */
  url: string;
}

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

/** @param scopes none where empty. @throws Failure with the OAuth error as its code. */
export async function requestToken(
  client: Client,
  discovered: Discovered,
  wanted: { resource: string; scopes: readonly string[] },
  now: number,
): Promise<TokenAnswer> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: client.clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: buildAssertion(readPrivateKey(client.privateKeyFile), client.clientId, discovered.issuer, now),
    resource: wanted.resource,
  });
  return await post(form, discovered, wanted.scopes);
}

/** RFC 8693, for the token that a platform gives its workload. @throws Failure with the OAuth error as its code. */
export async function exchangeToken(
  token: string,
  discovered: Discovered,
  wanted: { resource: string; scopes: readonly string[] },
): Promise<TokenAnswer> {
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    resource: wanted.resource,
  });
  return await post(form, discovered, wanted.scopes);
}

async function post(form: URLSearchParams, discovered: Discovered, scopes: readonly string[]): Promise<TokenAnswer> {
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  const answer = await send({
    method: 'POST',
    url: discovered.tokenEndpoint,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
  });
  return readToken(readAnswer(answer));
}

export function readToken(value: unknown): TokenAnswer {
  const token = value as TokenAnswer | undefined;
  if (typeof token?.access_token === 'string' && typeof token.expires_in === 'number') return token;
  throw new Failure('unexpected_answer', 'The answer holds no access token.', {
    hint: 'Is COUNTERSIGN_URL the internal URL of the service?',
  });
}

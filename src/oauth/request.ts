// What is known of one token request, carried beside oidc-provider's own context.
import type { IncomingMessage } from 'node:http';
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';
import type { Assertion } from './assertion.ts';
import type { ClientRow } from './store.ts';
import type { TokenDecision } from './decide.ts';

export interface TokenRequest {
  id: string;
  assertion: Assertion;
  /** It has proved who it is. */
  client: ClientRow;
  requestedScopes: string[] | undefined;
  decision?: TokenDecision;
  /** What failed underneath, where oidc-provider would only say server_error. */
  failure?: unknown;
}

const requests = new WeakMap<IncomingMessage, TokenRequest>();

export function attachRequest(raw: IncomingMessage, request: TokenRequest): void {
  requests.set(raw, request);
}

export function requestOf(ctx: KoaContextWithOIDC): TokenRequest {
  const request = requests.get(ctx.req);
  if (!request) throw new Error('a token request came past its route');
  return request;
}

/** For those that oidc-provider gives no context. */
export function currentRequest(): TokenRequest {
  return requestOf(Provider.ctx as KoaContextWithOIDC);
}

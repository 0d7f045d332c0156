// What is known of one token request, carried beside oidc-provider's own context.
import type { IncomingMessage } from 'node:http';
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';
import type { ReplayKey } from '../audit/store.ts';
import type { ClientRow } from './store.ts';
import type { TokenDecision } from './decide.ts';

/** How a client proved who it is, whichever way that was. */
export interface Proof {
  /** Taken with the record: what may be shown once. */
  replay: ReplayKey | undefined;
  /** Seconds since the epoch: a token given for it ends then at the latest. */
  endsAt: number;
  /** Of a person, what people call them: acts with the token are on record with it. */
  as?: string | undefined;
  /** What the record keeps of it. */
  details: { [member: string]: string | string[] | undefined };
  /** The client as it is now; undefined where this proof would not be its own any more. @throws Problem */
  again(): Promise<ClientRow | undefined>;
}

export interface TokenRequest {
  id: string;
  proof: Proof;
  /** It has proved who it is. */
  client: ClientRow;
  /** RFC 8693: the answer says what kind of token was issued. */
  exchanged: boolean;
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

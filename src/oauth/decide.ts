// What a client may have a token for: the one decision of the token endpoint.
import type { Db } from '../db/connect.ts';
import { SOON_MS, within } from '../db/within.ts';
import { refuseSealed } from '../seal/problem.ts';
import { apiAudience, credentialsAudience, parseAudience } from '../tokens/audiences.ts';
import type { ClientRow } from './store.ts';

/** RFC 6749 and RFC 8707 errors. */
export class TokenRefused extends Error {
  readonly error: 'invalid_target' | 'invalid_scope' | 'unauthorized_client';

  constructor(error: TokenRefused['error'], description: string) {
    super(description);
    this.error = error;
  }
}

export interface TokenDecision {
  audience: string;
  /** The scopes of the token, in the client's order. */
  scopes: string[];
  /** The connection that the audience names. */
  connection: string | undefined;
}

export interface DecideTokenDeps {
  db: Db;
  issuerUrl: string;
  /** Whether any grant of the workload selects this connection. */
  mayUseConnection(db: Db, workload: string, connection: string): Promise<boolean>;
}

export type DecideToken = (
  client: ClientRow,
  audience: string,
  requested: readonly string[] | undefined,
) => Promise<TokenDecision>;

/** @throws TokenRefused, or Problem `sealed` */
export function createDecideToken({ db, issuerUrl, mayUseConnection }: DecideTokenDeps): DecideToken {
  return async (client, audience, requested) => {
    refuseSealed(client);
    if (client.state !== 'active') throw new TokenRefused('unauthorized_client', `this ${client.kind} is suspended`);
    const parsed = parseAudience(issuerUrl, audience);
    const permitted = parsed?.kind === 'api' ? client.scopes : [];
    const refused = (requested ?? []).filter((scope) => !permitted.includes(scope));
    if (client.kind === 'administrator' && parsed?.kind !== 'api') {
      throw new TokenRefused('invalid_target', `an administrator's tokens are for ${apiAudience(issuerUrl)} alone`);
    }
    if (!parsed && !client.audiences.includes(audience)) {
      throw new TokenRefused(
        'invalid_target',
        `resource is not an audience of this workload; for every connection granted it is ${credentialsAudience(issuerUrl)}`,
      );
    }
    if (parsed?.kind === 'connection' && !(await within(SOON_MS, mayUseConnection(db, client.id, parsed.connection)))) {
      throw new TokenRefused(
        'invalid_target',
        'no grant lets this workload use that connection, or there is no such connection',
      );
    }
    if (refused.length > 0)
      throw new TokenRefused(
        'invalid_scope',
        `not a scope of this ${client.kind} for this resource: ${refused.join(' ').slice(0, 200)}`,
      );
    const scopes = requested === undefined ? permitted : permitted.filter((scope) => requested.includes(scope));
    return { audience, scopes, connection: parsed?.kind === 'connection' ? parsed.connection : undefined };
  };
}

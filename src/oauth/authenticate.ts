// From a bearer token to a caller: verified, still registered, holding no more than it holds today.
import type { FastifyRequest } from 'fastify';
import type { Db, Transaction } from '../db/connect.ts';
import { SOON_MS, within } from '../db/within.ts';
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';
import { SCOPES, type Scope } from '../http/scopes.ts';
import { isLetIn } from '../identities/store.ts';
import { refused, type VerifiedToken, type VerifyWorkloadToken } from '../tokens/verify.ts';
import type { Clients } from './clients.ts';

const CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** The bearer token of a request, with or without `Bearer `, as the AWS SDKs send what their token file holds. */
export function bearerToken(request: FastifyRequest): string {
  const header = request.headers.authorization;
  if (!header) {
    throw new Problem('unauthenticated', 'This needs a workload token.', {
      hint: 'Send Authorization: Bearer <token>, from POST /oauth2/token.',
    });
  }
  return header.replace(/^bearer +/i, '');
}

/** `Countersign-Reason`: percent-encoded UTF-8, 1 to 500 characters. */
function readReason(request: FastifyRequest): string | undefined {
  const header = request.headers['countersign-reason'];
  if (header === undefined) return undefined;
  let reason: string;
  try {
    reason = decodeURIComponent(String(header)).trim();
  } catch {
    throw new Problem('reason_required', 'Countersign-Reason is not percent-encoded UTF-8.', {
      hint: 'Encode it as encodeURIComponent does.',
    });
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (reason.length < 1 || [...reason].length > 500 || /[\u0000-\u001f\u007f]/.test(reason)) {
    throw new Problem(
      'reason_required',
      'Countersign-Reason must be 1 to 500 characters, without control characters.',
      { hint: 'Say why, in a sentence.' },
    );
  }
  return reason;
}

export interface AuthenticateDeps {
  db: Db;
  clients: Clients;
  verify: VerifyWorkloadToken;
  audience: string;
  /** Locks out changes of the client's row and reads what it is now. */
  lockClient(trx: Transaction, id: string): Promise<{ state: string; scopes: string[] } | undefined>;
  /** Whether the key that a token was signed with is revoked by now: what this process knows of keys may be older. */
  isRevoked(trx: Transaction, kid: string): Promise<boolean>;
}

function suspended(kind: 'workload' | 'administrator'): Problem {
  return new Problem(`${kind}_suspended`, `This ${kind} is suspended or gone.`, {
    hint: 'An administrator can resume it.',
  });
}

/** A token is no more than the identity that it was given for. */
function takenAway(bearer: string): Problem {
  const problem = new Problem(
    'invalid_token',
    'The token was refused: the identity that it was given for lets nobody in any more.',
    {
      hint: 'An administrator can give this client an identity, or look at the trusted issuer.',
    },
  );
  return Object.assign(problem, { bearer });
}

/** The scopes of the token that the client still has. */
function held(token: VerifiedToken, scopes: readonly string[]): Set<Scope> {
  return new Set(SCOPES.filter((scope) => token.scopes.includes(scope) && scopes.includes(scope)));
}

function reasonOf(request: FastifyRequest, token: VerifiedToken, kind: Caller['kind']): string | undefined {
  const reason = readReason(request) ?? token.reason;
  if (kind === 'administrator' && reason === undefined && CHANGING.has(request.method)) {
    throw new Problem('reason_required', 'An administrator gives a reason with each change.', {
      hint: 'Send Countersign-Reason: <why, percent-encoded>.',
    });
  }
  return reason;
}

export function createAuthenticate(deps: AuthenticateDeps) {
  const { db, clients, verify, audience, lockClient } = deps;

  async function requireUnrevoked(trx: Transaction, { kid }: VerifiedToken): Promise<void> {
    if (!(await deps.isRevoked(trx, kid))) return;
    throw refused('its key was revoked');
  }

  return async (request: FastifyRequest): Promise<Caller> => {
    const token = await verify(bearerToken(request), (aud) => aud === audience, audience);
    const common = { id: token.subject, requestId: request.id, jti: token.jti };
    if (token.subject === 'host') {
      return {
        ...common,
        ...{ kind: 'host', scopes: held(token, SCOPES), as: token.as, reason: reasonOf(request, token, 'host') },
        confirm: (trx) => requireUnrevoked(trx, token),
      };
    }
    const client = await clients.read(token.subject);
    if (!client)
      throw new Problem('invalid_token', 'The token was refused: its bearer is not registered.', {
        hint: 'Ask an administrator to register it.',
      });
    if (client.state !== 'active') throw suspended(client.kind);
    const { identity } = token;
    if (identity !== undefined && !(await within(SOON_MS, isLetIn(db, identity)))) throw takenAway(client.id);
    const scopes = held(token, client.scopes);
    return {
      ...common,
      ...{ kind: client.kind, scopes, as: token.as, identity: token.identity },
      reason: reasonOf(request, token, client.kind),
      confirm: async (trx) => {
        await requireUnrevoked(trx, token);
        const now = await lockClient(trx, client.id);
        if (now?.state !== 'active') throw suspended(client.kind);
        if (identity !== undefined && !(await isLetIn(trx, identity, true))) throw takenAway(client.id);
        if (scopes.difference(new Set(now.scopes)).size > 0) {
          throw new Problem('insufficient_scope', 'Scopes of yours were taken away a moment ago.', {
            hint: 'Try again with what is left.',
          });
        }
      },
    };
  };
}

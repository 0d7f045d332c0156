// No record, no answer: a minted token leaves when its row and its replay key are durable, decided under today's epoch.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Refusals } from '../audit/refusals.ts';
import { underOneEpoch } from '../audit/decisions.ts';
import { type AuditStream, Replayed } from '../audit/stream.ts';
import { Problem } from '../errors.ts';
import { type DecideToken, TokenRefused } from './decide.ts';
import { readKid } from './kid.ts';
import { requestOf, type TokenRequest } from './request.ts';

export interface RecordDeps {
  stream: AuditStream;
  refusals: Refusals;
  decideToken: DecideToken;
  /** Whether a key that signed is published by now: a revocation begins an epoch, too. */
  stillPublished(kid: string): Promise<boolean>;
  log: { error(details: object, message: string): void };
}

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** oidc-provider opens its endpoint to scripts of every origin: a token is not for a browser to read. */
const CORS = ['access-control-allow-origin', 'access-control-expose-headers', 'vary'];

interface OAuthError {
  status: number;
  error: string;
  description: string;
  retryAfter?: number;
  /** Of a problem that people can do something about. */
  code?: string;
  hint?: string | undefined;
  /** Its replay key is taken, and was before. */
  replayed?: true;
}

const UNAVAILABLE: OAuthError = {
  status: 503,
  error: 'temporarily_unavailable',
  description: 'no token can be issued now; try again in a moment',
  retryAfter: 1,
};
const REPLAYED: OAuthError = {
  status: 401,
  error: 'invalid_client',
  description: 'the client assertion was used before; make a new one, with a new jti, for each request',
  replayed: true,
};
/** RFC 6749 has no word for it: the code and the hint stand beside. */
function sealedError({ code, message, options }: Problem): OAuthError {
  const { hint, retryAfter = 1 } = options;
  return { ...UNAVAILABLE, description: message, code, hint, retryAfter };
}

const isSealed = (error: unknown): error is Problem => error instanceof Problem && error.code === 'sealed';

const CHANGED: OAuthError = { status: 401, error: 'invalid_client', description: 'client authentication failed' };

/** RFC 8693, section 2.2.2: of a subject token that is not taken. */
function ofExchange(description: string): OAuthError {
  return { status: 400, error: 'invalid_request', description: `the subject token was refused: ${description}` };
}

function replayed({ exchanged }: TokenRequest): OAuthError {
  return exchanged ? { ...ofExchange('it was used before, and may be shown once'), replayed: true } : REPLAYED;
}

function answer(ctx: KoaContextWithOIDC, error: OAuthError): void {
  ctx.status = error.status;
  if (error.retryAfter !== undefined) ctx.set('retry-after', String(error.retryAfter));
  const { code, hint } = error;
  ctx.body = {
    ...{ error: error.error, error_description: error.description },
    ...(code === undefined ? {} : { code, hint }),
  };
}

export function createRecord({ stream, refusals, decideToken, stillPublished, log }: RecordDeps) {
  async function recordMinted(ctx: KoaContextWithOIDC, request: TokenRequest): Promise<OAuthError | undefined> {
    const token = ctx.oidc.entities.ClientCredentials as unknown as { jti: string; exp?: number; expiration: number };
    const { access_token: value } = ctx.body as { access_token: string };
    const kid = readKid(value.slice(0, value.indexOf('.')));
    let { client } = request;
    const decision = request.decision as NonNullable<TokenRequest['decision']>;
    const entry = {
      kind: 'token.minted',
      actor: client.id,
      workload: client.kind === 'workload' ? client.id : undefined,
      connection: decision.connection,
      details: {
        ...{
          audience: decision.audience,
          scope: decision.scopes.join(' ') || undefined,
          jti: token.jti,
          kid,
        },
        ...{ ...request.proof.details, request_id: request.id },
      },
    };
    /** Whether what was decided stands for the client as it is now; what it is refused with, where it does not. */
    async function decideAgain(): Promise<OAuthError | undefined> {
      const fresh = await request.proof.again();
      if (!fresh) return request.exchanged ? ofExchange('it proves nothing any more') : CHANGED;
      client = fresh;
      try {
        await decideToken(client, decision.audience, decision.scopes);
        // What a revoked key signed is refused everywhere: nothing was used up, and the next try is signed by another.
        return (await stillPublished(kid)) ? undefined : UNAVAILABLE;
      } catch (refused) {
        if (isSealed(refused)) return sealedError(refused);
        if (!(refused instanceof TokenRefused)) throw refused;
        return { status: 400, error: refused.error, description: refused.message };
      }
    }

    return await underOneEpoch<OAuthError | undefined>(
      async (nth) => {
        const refused = nth > 1 ? await decideAgain() : undefined;
        if (refused) return refused;
        try {
          await stream.append({ entry, epoch: client.epoch, replay: request.proof.replay });
          return undefined;
        } catch (error) {
          if (error instanceof Replayed) return replayed(request);
          throw error;
        }
      },
      () => UNAVAILABLE,
    );
  }

  async function recordRefused(ctx: KoaContextWithOIDC, request: TokenRequest): Promise<void> {
    const { error } = ctx.body as { error?: string };
    const workload = request.client.kind === 'workload' ? request.client.id : undefined;
    await refusals.record(
      { kind: 'token.refused', actor: request.client.id, workload, code: error ?? 'unknown' },
      request.proof.replay,
    );
  }

  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    for (const name of CORS) ctx.remove(name);
    const request = requestOf(ctx);
    try {
      if (ctx.status === 200) {
        const refused = await recordMinted(ctx, request);
        if (!refused) {
          if (request.exchanged) Object.assign(ctx.body as object, { issued_token_type: ACCESS_TOKEN });
          return;
        }
        answer(ctx, refused);
        if (refused.replayed !== true && refused.status < 500) await recordRefused(ctx, request);
      } else if (ctx.status >= 500) {
        const failure = request.failure;
        if (!(failure instanceof Problem)) log.error({ err: failure, request_id: request.id }, 'token request failed');
        answer(ctx, isSealed(failure) ? sealedError(failure) : UNAVAILABLE);
      } else {
        await recordRefused(ctx, request);
      }
    } catch (error) {
      if (error instanceof Replayed) return answer(ctx, replayed(request));
      log.error({ err: error, request_id: request.id }, 'token request could not be recorded');
      answer(ctx, UNAVAILABLE);
    }
  };
}

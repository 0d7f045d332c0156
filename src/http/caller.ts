// Who is calling the API: what authentication found, and the check that a route states.
import type { FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import type { Actor } from '../audit/act.ts';
import { Problem } from '../errors.ts';
import type { Scope } from './scopes.ts';

export interface Caller extends Actor {
  kind: 'workload' | 'administrator' | 'host';
  /** The token's scopes that its bearer still holds. */
  scopes: ReadonlySet<Scope>;
  /** `wi_…` or `pi_…` where it proved itself by an identity, and not by a key of its own. */
  identity?: string | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by authentication on every /v1 route, apart from the credentials endpoint. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** The scopes of which the caller needs every one; [] is any authenticated caller. */
    scopes?: readonly Scope[];
  }
}

/** A preHandler that lets a caller pass who holds every scope. */
export function requireScopes(...scopes: Scope[]): preHandlerAsyncHookHandler {
  return async (request: FastifyRequest) => {
    const missing = scopes.filter((scope) => !request.caller.scopes.has(scope));
    if (missing.length === 0) return;
    throw new Problem('insufficient_scope', `This needs the scope ${missing.join(', ')}.`, {
      hint: 'Ask for a token with that scope; an administrator assigns it.',
    });
  };
}

/** For what is never done without a reason, at the host's shell neither. @throws Problem `reason_required` */
export function requireReason({ reason }: Actor, detail: string): string {
  if (reason !== undefined) return reason;
  throw new Problem('reason_required', detail, {
    hint: 'Send Countersign-Reason: <why, percent-encoded>; with the command, --reason "…".',
  });
}

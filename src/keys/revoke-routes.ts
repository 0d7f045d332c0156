// /v1/keys/{issuer}/revoke: one key out of the JWKS, or every key of a ring.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { Problem } from '../errors.ts';
import { requireReason, requireScopes } from '../http/caller.ts';
import { parseTime } from '../http/times.ts';
import { resolveRing, resolveRingOfKey } from './resolve.ts';
import { revoke } from './revoke.ts';
import { revokeAll } from './revoke-all.ts';
import type { RotateDeps } from './rotate.ts';
import * as schema from './schema.ts';

/** Milliseconds since the epoch. @throws Problem `invalid_request` */
function readBefore(text: string | undefined): number | undefined {
  const at = text === undefined ? undefined : parseTime(text);
  if (text !== undefined && at === undefined)
    throw new Problem('invalid_request', '`published_before` is no time from 1970 to 9999.', {
      hint: 'Send a time as 2026-11-21T09:30:00Z.',
    });
  return at;
}

export function registerRevokeRoutes(server: FastifyInstance, deps: RotateDeps): void {
  server.post(
    '/v1/keys/:issuer/revoke',
    {
      schema: {
        ...{ operationId: 'revokeKey', summary: 'Take keys out of the JWKS; their live tokens die with them' },
        ...{ tags: ['keys'], params: schema.IssuerParams, body: schema.RevokeBody, response: { 200: schema.Revoked } },
      },
      preHandler: requireScopes('keys:revoke'),
    },
    async (request) => {
      requireReason(request.caller, 'Keys are revoked with a reason.');
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const body = request.body as Static<typeof schema.RevokeBody>;
      const { accept_outage: acceptOutage = false } = body;
      if ('kid' in body) {
        const ring = await resolveRingOfKey(deps, issuer, body.kid);
        return await revoke(deps, { ring, kid: body.kid, acceptOutage }, request.caller);
      }
      const publishedBefore = readBefore(body.published_before);
      const ring = await resolveRing(deps, issuer, body.algorithm);
      return await revokeAll(deps, { ring, publishedBefore, acceptOutage }, request.caller);
    },
  );
}

// /v1/key-drills: a scratch issuer to rehearse rotation and revocation on, and its end.
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { requireReason, requireScopes } from '../../http/caller.ts';
import { idPattern } from '../../ids.ts';
import type { RotateDeps } from '../../keys/rotate.ts';
import { beginDrill, endDrill } from './drill.ts';

export interface DrillRoutesDeps extends RotateDeps {
  issuerUrlOf(issuer: string): string;
}

const REASON = 'A drill is begun and ended with a reason.';
const tags = ['keys'];

const Params = Type.Object({
  drill: Type.String({ pattern: idPattern('is'), description: 'the issuer that the drill was begun with' }),
});

export function registerDrillRoutes(server: FastifyInstance, deps: DrillRoutesDeps): void {
  server.post(
    '/v1/key-drills',
    {
      schema: {
        ...{ operationId: 'beginDrill', summary: 'Make a scratch issuer that nothing is minted by', tags },
        response: {
          200: Type.Object({
            issuer: Type.String(),
            issuer_url: Type.String(),
            ring: Type.String(),
            kids: Type.Array(Type.String()),
          }),
        },
      },
      preHandler: requireScopes('keys:rotate', 'keys:revoke'),
    },
    async ({ caller }) => {
      requireReason(caller, REASON);
      const begun = await beginDrill(deps, caller);
      return { ...begun, issuer_url: deps.issuerUrlOf(begun.issuer) };
    },
  );

  server.delete(
    '/v1/key-drills/:drill',
    {
      schema: {
        ...{ operationId: 'endDrill', summary: 'Revoke its keys, destroy its private halves, retire its ring', tags },
        params: Params,
        response: {
          200: Type.Object({
            issuer: Type.String(),
            changed: Type.Boolean({ description: 'false where it was ended before' }),
            revoked: Type.Array(Type.String()),
            private_halves_destroyed: Type.Integer(),
            private_halves_left: Type.Integer(),
          }),
        },
      },
      preHandler: requireScopes('keys:rotate', 'keys:revoke'),
    },
    async (request) => {
      requireReason(request.caller, REASON);
      const { drill } = request.params as { drill: string };
      return await endDrill(deps, drill, request.caller);
    },
  );
}

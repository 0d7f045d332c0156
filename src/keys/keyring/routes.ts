// /v1/kek: the key-encryption keys, and the rotation from one to the next.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireReason, requireScopes } from '../../http/caller.ts';
import { type KekDeps, rotateKek, showKeks } from './rotation.ts';
import * as schema from './schema.ts';

const tags = ['keys'];

export function registerKekRoutes(server: FastifyInstance, deps: KekDeps): void {
  server.get(
    '/v1/kek',
    {
      schema: {
        ...{ operationId: 'getKek', summary: 'The key-encryption keys, and how far a rotation is', tags },
        response: { 200: schema.KekState },
      },
      preHandler: requireScopes('keys:read'),
    },
    async () => await showKeks(deps),
  );

  server.post(
    '/v1/kek/rotate',
    {
      schema: {
        ...{
          operationId: 'rotateKek',
          summary: 'Wrap by another key-encryption key, and move every row under it',
          tags,
        },
        ...{ body: schema.KekRotateBody, response: { 200: schema.KekChange } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async ({ body, caller }) => {
      const reason = requireReason(caller, 'A key-encryption key is rotated with a reason.');
      const { to } = body as Static<typeof schema.KekRotateBody>;
      return await rotateKek(deps, to, { ...caller, reason });
    },
  );
}

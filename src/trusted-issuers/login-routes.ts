// GET /v1/login: where people sign in, asked by whoever has not done so yet.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Db } from '../db/connect.ts';
import { requirePeople } from '../db/federation.ts';
import { SOON_MS, within } from '../db/within.ts';
import type { Limits } from '../http/rates.ts';
import { LoginMembers } from './schema.ts';
import { listLogins } from './store.ts';

export interface LoginRoutesDeps {
  db: Db;
  limits: Pick<Limits, 'ask'>;
}

const LoginIssuers = Type.Object(
  {
    issuers: Type.Array(
      Type.Object({ name: Type.String(), issuer: Type.String(), ...LoginMembers }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
);

export function registerLoginRoutes(server: FastifyInstance, { db, limits }: LoginRoutesDeps): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    '/v1/login',
    {
      schema: {
        ...{ operationId: 'listLogins', summary: 'Where people sign in, by name', tags: ['tokens'], security: [] },
        response: { 200: LoginIssuers },
      },
    },
    async (request, reply) => {
      limits.ask(request.ip);
      await within(SOON_MS, requirePeople(db));
      const issuers = await within(SOON_MS, listLogins(db));
      return reply.header('cache-control', 'no-store').send({ issuers });
    },
  );
}

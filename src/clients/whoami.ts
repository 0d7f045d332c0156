// GET /v1/whoami: what the service takes the caller for.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Db } from '../db/connect.ts';
import type { Caller } from '../http/caller.ts';
import { Scopes } from './schema.ts';

const Whoami = Type.Object(
  {
    kind: Type.Enum(['workload', 'administrator', 'host']),
    id: Type.String(),
    slug: Type.Optional(Type.String()),
    scopes: Scopes,
    as: Type.Optional(
      Type.String({
        description: 'Who is at the shell of the host, as they say; or who signed in, as their issuer calls them.',
      }),
    ),
    reason: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

async function findSlug(db: Db, { kind, id }: Caller): Promise<string | undefined> {
  if (kind === 'host') return undefined;
  const table = kind === 'workload' ? 'workloads' : 'administrators';
  return (await db.selectFrom(table).select('slug').where('id', '=', id).executeTakeFirst())?.slug;
}

export function registerWhoamiRoute(server: FastifyInstance, { db }: { db: Db }): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    '/v1/whoami',
    {
      schema: {
        operationId: 'whoami',
        summary: 'Who the caller is, and the scopes of its token',
        tags: ['service'],
        response: { 200: Whoami },
      },
    },
    async ({ caller }) => {
      const slug = await findSlug(db, caller);
      return {
        ...{ kind: caller.kind, id: caller.id, scopes: [...caller.scopes].sort() },
        ...(slug === undefined ? {} : { slug }),
        ...(caller.as === undefined ? {} : { as: caller.as }),
        ...(caller.reason === undefined ? {} : { reason: caller.reason }),
      };
    },
  );
}

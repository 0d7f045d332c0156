// /v1/administrators: registering people and programs that administer the service, changing and suspending them, their keys.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Act } from '../audit/act.ts';
import { registerKeyRoutes } from '../clients/key-routes.ts';
import { createKeys } from '../clients/keys.ts';
import { refusePrivateMembersOf } from '../clients/jwk.ts';
import { notFound, requireAssignable, requireChangeable } from '../clients/rules.ts';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { decodeCursor, PageQuery, toPage } from '../http/paging.ts';
import { createId } from '../ids.ts';
import {
  NewAdministrator,
  Administrator as AdministratorSchema,
  AdministratorChange,
  AdministratorPage,
  AdministratorParams,
} from './schema.ts';
import {
  findAdministrator,
  insertAdministrator,
  listAdministrators,
  lockAdministrator,
  updateAdministrator,
  type Administrator,
} from './store.ts';

export interface AdministratorDependencies {
  db: Db;
  act: Act;
  clock: Clock;
}

const tags = ['administrators'];

export function registerAdministratorRoutes(server: FastifyInstance, dependencies: AdministratorDependencies): void {
  const { db, act, clock } = dependencies;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/v1/administrators',
    {
      preValidation: async (request) => refusePrivateMembersOf(request.body),
      preHandler: requireScopes('administrators:write'),
      schema: {
        ...{ operationId: 'createAdministrator', summary: 'Register an administrator', tags },
        ...{ headers: IdempotencyHeaders, body: NewAdministrator, response: { 201: AdministratorSchema } },
      },
    },
    async (request, reply) =>
      createOnce<Administrator>(act, request, reply, async (trx) => {
        const { slug, description = '', scopes = [], keys = [] } = request.body;
        requireAssignable(request.caller, scopes);
        const parsed = createKeys(keys, clock.wall());
        const administrator = await insertAdministrator(trx, {
          id: createId('ad'),
          slug,
          description,
          scopes,
          keys: parsed,
        });
        if (!administrator)
          throw new Problem('slug_taken', `There is an administrator "${slug}" already.`, {
            hint: 'Choose another slug.',
          });
        const details = { administrator: administrator.id, ...snapshot(administrator) };
        return { result: administrator, records: [{ kind: 'administrator.created', details }], affectsDecisions: true };
      }),
  );

  app.get(
    '/v1/administrators',
    {
      preHandler: requireScopes('administrators:read'),
      schema: {
        ...{ operationId: 'listAdministrators', summary: 'List administrators, by slug', tags },
        ...{
          querystring: Type.Object(PageQuery, { additionalProperties: false }),
          response: { 200: AdministratorPage },
        },
      },
    },
    async (request) => {
      const { limit = 50, cursor } = request.query;
      const [after] = decodeCursor(cursor, 1) ?? [];
      const rows = await listAdministrators(db, { after, limit: limit + 1 });
      return toPage(
        rows,
        limit,
        (administrator) => administrator,
        ({ slug }) => [slug],
      );
    },
  );

  app.get(
    '/v1/administrators/:administrator',
    {
      preHandler: requireScopes('administrators:read'),
      schema: {
        ...{ operationId: 'getAdministrator', summary: 'Get an administrator', tags },
        ...{ params: AdministratorParams, response: { 200: AdministratorSchema } },
      },
    },
    async (request) => {
      const administrator = await findAdministrator(db, request.params.administrator);
      if (!administrator) throw notFound('administrator', request.params.administrator);
      return administrator;
    },
  );

  app.patch(
    '/v1/administrators/:administrator',
    {
      preHandler: requireScopes('administrators:write'),
      schema: {
        ...{ operationId: 'updateAdministrator', summary: 'Change, suspend or resume an administrator', tags },
        ...{ params: AdministratorParams, body: AdministratorChange, response: { 200: AdministratorSchema } },
      },
    },
    async (request) =>
      act(request.caller, async (trx) => {
        const change = request.body;
        const administrator = await lockAdministrator(trx, request.params.administrator);
        if (!administrator) throw notFound('administrator', request.params.administrator);
        requireChangeable(request.caller, administrator, change);
        const updated = await updateAdministrator(trx, { ...administrator, ...change });
        const details = { administrator: updated.id, ...snapshot(updated) };
        return { result: updated, records: [{ kind: 'administrator.updated', details }], affectsDecisions: true };
      }),
  );

  registerKeyRoutes(server, {
    ...{ noun: 'administrator', writeScope: 'administrators:write', rotatesItsOwn: false, act, clock },
    ...{ lock: lockAdministrator, update: updateAdministrator },
  });
}

/** What a record keeps: everything but the keys' material, which their thumbprints name. */
function snapshot({ slug, description, state, scopes, keys, version }: Administrator) {
  return { slug, description, state, scopes, version, kids: keys.map(({ kid }) => kid) };
}

// /v1/grants: who may use which connections, for what, and within which limits.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { JsonValue } from '../audit/chain.ts';
import { notFound } from '../clients/rules.ts';
import type { Db } from '../db/connect.ts';
import { requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { decodeCursor, toPage } from '../http/paging.ts';
import { findWorkload } from '../workloads/store.ts';
import { createGrant } from './create.ts';
import { GrantChange, GrantPage, GrantParams, GrantQuery, Grant as GrantSchema, NewGrant } from './schema.ts';
import { checkPolicies, type GrantedPolicies } from './session-policy.ts';
import { deleteGrant, findGrant, type Grant, listGrants, lockGrant, updateGrant } from './store.ts';
import { checkTags } from './tags.ts';
import { withWarnings } from './warnings.ts';

export interface GrantDependencies {
  db: Db;
  act: Act;
}

const tags = ['grants'];

export function registerGrantRoutes(server: FastifyInstance, { db, act }: GrantDependencies): void {
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/v1/grants',
    {
      preHandler: requireScopes('grants:write'),
      schema: {
        ...{ operationId: 'createGrant', summary: 'Grant connections to a workload', tags },
        ...{ headers: IdempotencyHeaders, body: NewGrant, response: { 201: GrantSchema } },
      },
    },
    async (request, reply) => {
      const { session_policy = null, policy_arns = [] } = request.body;
      requireSound(request.body, { session_policy, policy_arns });
      return createOnce<Grant>(act, request, reply, async (trx) => {
        const grant = await createGrant(trx, request.body);
        return { result: withWarnings(grant), records: [recordOf('created', grant)], affectsDecisions: true };
      });
    },
  );

  app.get(
    '/v1/grants',
    {
      preHandler: requireScopes('grants:read'),
      schema: {
        ...{ operationId: 'listGrants', summary: 'List grants, of one workload where named', tags },
        ...{ querystring: GrantQuery, response: { 200: GrantPage } },
      },
    },
    async (request) => {
      const { limit = 50, cursor, workload } = request.query;
      const [after] = decodeCursor(cursor, 1) ?? [];
      const found = workload === undefined ? undefined : await findWorkload(db, workload);
      if (workload !== undefined && !found) throw notFound('workload', workload);
      const rows = await listGrants(db, { ...(found ? { workload: found.id } : {}), after, limit: limit + 1 });
      return toPage(rows, limit, withWarnings, ({ id }) => [id]);
    },
  );

  app.get(
    '/v1/grants/:grant',
    {
      preHandler: requireScopes('grants:read'),
      schema: {
        operationId: 'getGrant',
        summary: 'Get a grant',
        tags,
        params: GrantParams,
        response: { 200: GrantSchema },
      },
    },
    async (request) => {
      const grant = await findGrant(db, request.params.grant);
      if (!grant) throw notFound('grant', request.params.grant);
      return withWarnings(grant);
    },
  );

  app.patch(
    '/v1/grants/:grant',
    {
      preHandler: requireScopes('grants:write'),
      schema: {
        ...{ operationId: 'updateGrant', summary: "Change a grant's limits", tags },
        ...{ params: GrantParams, body: GrantChange, response: { 200: GrantSchema } },
      },
    },
    async (request) => {
      return act(request.caller, async (trx) => {
        const grant = await lockGrant(trx, request.params.grant);
        if (!grant) throw notFound('grant', request.params.grant);
        const changed = { ...grant, ...request.body };
        requireSound(request.body, changed);
        const updated = await updateGrant(trx, changed);
        return { result: withWarnings(updated), records: [recordOf('updated', updated)], affectsDecisions: true };
      });
    },
  );

  app.delete(
    '/v1/grants/:grant',
    {
      preHandler: requireScopes('grants:write'),
      schema: {
        operationId: 'deleteGrant',
        summary: 'Take a grant away',
        tags,
        params: GrantParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await act(request.caller, async (trx) => {
        const grant = await lockGrant(trx, request.params.grant);
        if (!grant) throw notFound('grant', request.params.grant);
        await deleteGrant(trx, grant.id);
        return { result: undefined, records: [recordOf('deleted', grant)], affectsDecisions: true };
      });
      return reply.code(204).send(null);
    },
  );
}

/**
 * What is given, together with what the grant has already: what it has alone, it may keep.
 * @throws Problem `invalid_session_policy`, `session_policy_too_large` or `invalid_tags`
 */
function requireSound(
  given: Partial<GrantedPolicies> & { tags?: Record<string, string> },
  whole: GrantedPolicies,
): void {
  if (given.session_policy || given.policy_arns) checkPolicies(whole);
  if (given.tags) checkTags(given.tags);
}

/** The whole of the grant, so that the log alone tells what was allowed when. */
function recordOf(verb: string, grant: Grant): Done<unknown>['records'][number] {
  const { workload, created_at: _, updated_at: __, ...details } = grant;
  const connection = 'connection' in grant.selector ? { connection: grant.selector.connection } : {};
  const { id, ...rest } = details as unknown as { id: string } & { [member: string]: JsonValue };
  return { kind: `grant.${verb}`, workload, ...connection, details: { grant: id, ...rest } };
}

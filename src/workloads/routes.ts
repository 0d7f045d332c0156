// /v1/workloads: registering internal services, changing and suspending them, their keys.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Act } from '../audit/act.ts';
import { registerKeyRoutes } from '../clients/key-routes.ts';
import { createKeys } from '../clients/keys.ts';
import { refusePrivateMembersOf } from '../clients/jwk.ts';
import { notFound, requireAssignable, requireChangeable, requireEditable } from '../clients/rules.ts';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { requireFederation } from '../db/federation.ts';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { decodeCursor, PageQuery, toPage } from '../http/paging.ts';
import { createId } from '../ids.ts';
import { requireRegistrable } from './audiences.ts';
import { type HoldsGrants, requireProofsChangeable } from './rules.ts';
import { NewWorkload, Workload as WorkloadSchema, WorkloadChange, WorkloadPage, WorkloadParams } from './schema.ts';
import { findWorkload, insertWorkload, listWorkloads, lockWorkload, updateWorkload, type Workload } from './store.ts';

export interface WorkloadDependencies {
  db: Db;
  act: Act;
  clock: Clock;
  /** By which rates count; `clock` unless given. */
  pace?: Pick<Clock, 'monotonic'> | undefined;
  issuerUrl: string;
  holdsGrants: HoldsGrants;
}

const tags = ['workloads'];

export function registerWorkloadRoutes(server: FastifyInstance, dependencies: WorkloadDependencies): void {
  const { db, act, clock, pace, issuerUrl, holdsGrants } = dependencies;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/v1/workloads',
    {
      preValidation: async (request) => refusePrivateMembersOf(request.body),
      preHandler: requireScopes('workloads:write'),
      schema: {
        ...{ operationId: 'createWorkload', summary: 'Register a workload', tags },
        ...{ headers: IdempotencyHeaders, body: NewWorkload, response: { 201: WorkloadSchema } },
      },
    },
    async (request, reply) =>
      createOnce<Workload>(act, request, reply, async (trx) => {
        const { slug, description = '', scopes = [], audiences = [], keys = [] } = request.body;
        requireAssignable(request.caller, scopes);
        requireRegistrable(audiences, issuerUrl);
        const parsed = createKeys(keys, clock.wall());
        const workload = await insertWorkload(trx, {
          id: createId('wl'),
          slug,
          description,
          scopes,
          audiences,
          keys: parsed,
        });
        if (!workload)
          throw new Problem('slug_taken', `There is a workload "${slug}" already.`, { hint: 'Choose another slug.' });
        const details = { ...snapshot(workload) };
        return {
          result: workload,
          records: [{ kind: 'workload.created', workload: workload.id, details }],
          affectsDecisions: true,
        };
      }),
  );

  app.get(
    '/v1/workloads',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{ operationId: 'listWorkloads', summary: 'List workloads, by slug', tags },
        ...{ querystring: Type.Object(PageQuery, { additionalProperties: false }), response: { 200: WorkloadPage } },
      },
    },
    async (request) => {
      const { limit = 50, cursor } = request.query;
      const [after] = decodeCursor(cursor, 1) ?? [];
      const rows = await listWorkloads(db, { after, limit: limit + 1 });
      return toPage(
        rows,
        limit,
        (workload) => workload,
        ({ slug }) => [slug],
      );
    },
  );

  app.get(
    '/v1/workloads/:workload',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{ operationId: 'getWorkload', summary: 'Get a workload', tags },
        ...{ params: WorkloadParams, response: { 200: WorkloadSchema } },
      },
    },
    async (request) => {
      const workload = await findWorkload(db, request.params.workload);
      if (!workload) throw notFound('workload', request.params.workload);
      return workload;
    },
  );

  app.patch(
    '/v1/workloads/:workload',
    {
      preHandler: requireScopes('workloads:write'),
      schema: {
        ...{ operationId: 'updateWorkload', summary: 'Change, suspend or resume a workload', tags },
        ...{ params: WorkloadParams, body: WorkloadChange, response: { 200: WorkloadSchema } },
      },
    },
    async (request) =>
      act(request.caller, async (trx) => {
        const { max_outlive_seconds: maxOutlive, ...change } = request.body;
        if (maxOutlive !== undefined) await requireFederation(trx);
        const workload = await lockWorkload(trx, request.params.workload);
        if (!workload) throw notFound('workload', request.params.workload);
        requireChangeable(request.caller, workload, change);
        if (maxOutlive !== undefined) requireEditable(request.caller, workload);
        requireRegistrable(change.audiences ?? [], issuerUrl);
        const updated = await updateWorkload(trx, { ...workload, ...change }, maxOutlive);
        const details = { ...snapshot(updated) };
        return {
          result: updated,
          records: [{ kind: 'workload.updated', workload: updated.id, details }],
          affectsDecisions: true,
        };
      }),
  );

  registerKeyRoutes(server, {
    ...{ noun: 'workload', writeScope: 'workloads:write', rotatesItsOwn: true, act, clock, pace },
    lock: lockWorkload,
    update: (trx, workload) => updateWorkload(trx, workload),
    guard: (trx, caller, workload) => requireProofsChangeable(trx, caller, workload, holdsGrants),
  });
}

/** What a record keeps: everything but the keys' material, which their thumbprints name. */
function snapshot({ slug, description, state, scopes, audiences, keys, version, max_outlive_seconds }: Workload) {
  const kids = keys.map(({ kid }) => kid);
  return { slug, description, state, scopes, audiences, version, kids, max_outlive_seconds };
}

// /v1/workloads/{workload}/identities: what its platform calls a workload, beside the keys of its own.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import { notFound, requireEditable } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { type Caller, requireReason, requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { type KindName } from '../trusted-issuers/kinds.ts';
import { findTrustedIssuer } from '../trusted-issuers/store.ts';
import { requireFederation } from '../db/federation.ts';
import { type HoldsGrants, requireProofsChangeable } from '../workloads/rules.ts';
import { findWorkload, lockWorkload, type Workload } from '../workloads/store.ts';
import { addIdentity, setReportOnly } from './change.ts';
import { warningsOf } from './check.ts';
import * as schema from './schema.ts';
import { deleteIdentity, type Identity, listIdentities, lockIdentity } from './store.ts';

export interface IdentityRoutesDeps {
  db: Db;
  act: Act;
  holdsGrants: HoldsGrants;
}

const tags = ['workloads'];

function show(kind: KindName, identity: Identity): Static<typeof schema.Identity> {
  const warnings = warningsOf(kind, identity);
  return { ...identity, ...(warnings.length > 0 ? { warnings } : {}) };
}

function recordOf(verb: string, identity: Identity): Done<unknown>['records'][number] {
  const { id, workload, claims, created_at: _, updated_at: __, ...rest } = identity;
  return { kind: `workload.identity_${verb}`, workload, details: { identity: id, claims: { ...claims }, ...rest } };
}

export function registerIdentityRoutes(server: FastifyInstance, { db, act, holdsGrants }: IdentityRoutesDeps): void {
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  /** Whoever gives a workload an identity could be that workload. */
  async function lockEditable(trx: Transaction, caller: Caller, reference: string): Promise<Workload> {
    await requireFederation(trx);
    const workload = await lockWorkload(trx, reference);
    if (!workload) throw notFound('workload', reference);
    requireEditable(caller, workload);
    await requireProofsChangeable(trx, caller, workload, holdsGrants);
    return workload;
  }

  async function lockOne(trx: Transaction, caller: Caller, params: { workload: string; identity: string }) {
    const workload = await lockEditable(trx, caller, params.workload);
    const identity = await lockIdentity(trx, workload.id, params.identity);
    if (!identity) throw notFound('identity', params.identity);
    return identity;
  }

  app.post(
    '/v1/workloads/:workload/identities',
    {
      preHandler: requireScopes('workloads:write'),
      schema: {
        ...{ operationId: 'addWorkloadIdentity', summary: 'Give a workload an identity of a trusted issuer', tags },
        ...{ headers: IdempotencyHeaders, params: schema.WorkloadParams, body: schema.NewIdentity },
        response: { 201: schema.Identity },
      },
    },
    async (request, reply) => {
      const { caller, body } = request;
      const reason = body.allow_wildcard ? requireReason(caller, 'A wildcard is allowed with a reason.') : undefined;
      return createOnce<Static<typeof schema.Identity>>(act, request, reply, async (trx) => {
        const workload = await lockEditable(trx, caller, request.params.workload);
        const { identity, issuer } = await addIdentity(trx, workload.id, body, reason);
        return {
          result: show(issuer.kind, identity),
          records: [recordOf('added', identity)],
          affectsDecisions: true,
        };
      });
    },
  );

  app.get(
    '/v1/workloads/:workload/identities',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{ operationId: 'listWorkloadIdentities', summary: "A workload's identities", tags },
        ...{ params: schema.WorkloadParams, response: { 200: schema.Identities } },
      },
    },
    async (request) => {
      await requireFederation(db);
      const workload = await findWorkload(db, request.params.workload);
      if (!workload) throw notFound('workload', request.params.workload);
      const kinds = new Map<string, KindName>();
      const items: Static<typeof schema.Identity>[] = [];
      for (const identity of await listIdentities(db, workload.id)) {
        const { trusted_issuer: id } = identity;
        const kind = kinds.get(id) ?? (await findTrustedIssuer(db, id))?.kind ?? 'oidc';
        kinds.set(id, kind);
        items.push(show(kind, identity));
      }
      return { items };
    },
  );

  app.patch(
    '/v1/workloads/:workload/identities/:identity',
    {
      preHandler: requireScopes('workloads:write'),
      schema: {
        ...{ operationId: 'updateWorkloadIdentity', summary: 'Let an identity in, or only report it', tags },
        ...{ params: schema.IdentityParams, body: schema.IdentityChange, response: { 200: schema.Identity } },
      },
    },
    async (request) =>
      act(request.caller, async (trx) => {
        const found = await lockOne(trx, request.caller, request.params);
        const { identity, issuer } = await setReportOnly(trx, found, request.body.report_only);
        return {
          result: show(issuer.kind, identity),
          records: [recordOf('updated', identity)],
          affectsDecisions: true,
        };
      }),
  );

  app.delete(
    '/v1/workloads/:workload/identities/:identity',
    {
      preHandler: requireScopes('workloads:write'),
      schema: {
        ...{ operationId: 'deleteWorkloadIdentity', summary: 'Take an identity away from a workload', tags },
        ...{ params: schema.IdentityParams, response: { 204: Type.Null() } },
      },
    },
    async (request, reply) => {
      await act(request.caller, async (trx) => {
        const identity = await lockOne(trx, request.caller, request.params);
        await deleteIdentity(trx, identity.id);
        return { result: undefined, records: [recordOf('deleted', identity)], affectsDecisions: true };
      });
      return reply.code(204).send(null);
    },
  );
}

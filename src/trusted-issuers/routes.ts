// /v1/trusted-issuers: who may say of a workload that it is who it says.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { JsonValue } from '../audit/chain.ts';
import { notFound } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { requireFederation } from '../db/federation.ts';
import { Problem } from '../errors.ts';
import { type Caller, requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { decodeCursor, toPage } from '../http/paging.ts';
import { requireSuperset } from '../http/scopes.ts';
import { createId } from '../ids.ts';
import { readChange, readNew, warningsOf } from './check.ts';
import type { IssuerKeys } from './keys.ts';
import { KIND } from './kinds.ts';
import * as schema from './schema.ts';
import * as store from './store.ts';

export interface TrustedIssuerRoutesDeps {
  db: Db;
  act: Act;
  issuerUrl: string;
  keys: Pick<IssuerKeys, 'look'>;
}

const tags = ['trusted issuers'];
/** Whoever changes an issuer can be each workload that it speaks for, with its grants. */
const CHANGES = ['workloads:write', 'grants:write'] as const;

function recordOf(verb: string, issuer: store.TrustedIssuer): Done<unknown>['records'][number] {
  const { id, jwks, created_at: _, updated_at: __, ...rest } = issuer;
  const kids = jwks && { kids: jwks.keys.map(({ kid }) => String(kid)) };
  return {
    kind: `trusted_issuer.${verb}`,
    details: { trusted_issuer: id, ...(rest as { [member: string]: JsonValue }), ...kids },
  };
}

export function registerTrustedIssuerRoutes(server: FastifyInstance, deps: TrustedIssuerRoutesDeps): void {
  const { db, act, issuerUrl, keys } = deps;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  function show(issuer: store.TrustedIssuer): Static<typeof schema.TrustedIssuer> {
    const warnings = warningsOf(issuer, issuerUrl);
    const { jwks, ...shown } = issuer;
    return {
      ...{ ...shown, audience: issuer.audience ?? issuerUrl, claims: [...KIND[issuer.kind].claims] },
      pasted_kids: jwks && jwks.keys.map(({ kid }) => String(kid)),
      ...(warnings.length > 0 ? { warnings } : {}),
    };
  }

  async function find(reference: string): Promise<store.TrustedIssuer> {
    await requireFederation(db);
    const issuer = await store.findTrustedIssuer(db, reference);
    if (!issuer) throw notFound('trusted-issuer', reference);
    return issuer;
  }

  async function lock(trx: Transaction, caller: Caller, reference: string): Promise<store.TrustedIssuer> {
    await requireFederation(trx);
    const issuer = await store.lockTrustedIssuer(trx, reference);
    if (!issuer) throw notFound('trusted-issuer', reference);
    requireSuperset(caller.scopes, await store.listScopesBehind(trx, issuer.id), `Changing ${issuer.name}`);
    return issuer;
  }

  app.post(
    '/v1/trusted-issuers',
    {
      preHandler: requireScopes(...CHANGES),
      schema: {
        ...{ operationId: 'createTrustedIssuer', summary: 'Trust an issuer', tags },
        ...{ headers: IdempotencyHeaders, body: schema.NewTrustedIssuer, response: { 201: schema.TrustedIssuer } },
      },
    },
    async (request, reply) => {
      await requireFederation(db);
      const given = readNew(request.body, createId('ti'), issuerUrl);
      return createOnce<Static<typeof schema.TrustedIssuer>>(act, request, reply, async (trx) => {
        const issuer = await store.insertTrustedIssuer(trx, given);
        if (!issuer)
          throw new Problem('trusted_issuer_exists', `The name ${given.name} or the issuer ${given.issuer} is taken.`, {
            hint: 'Tokens are told apart by their iss: one that two clusters share must be changed in one of them.',
          });
        return { result: show(issuer), records: [recordOf('created', issuer)], affectsDecisions: true };
      });
    },
  );

  app.get(
    '/v1/trusted-issuers',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{ operationId: 'listTrustedIssuers', summary: 'List trusted issuers, by name', tags },
        ...{ querystring: schema.TrustedIssuerQuery, response: { 200: schema.TrustedIssuerPage } },
      },
    },
    async (request) => {
      const { limit = 50, cursor } = request.query;
      const [after] = decodeCursor(cursor, 1) ?? [];
      await requireFederation(db);
      const rows = await store.listTrustedIssuers(db, { after, limit: limit + 1 });
      return toPage(rows, limit, show, ({ name }) => [name]);
    },
  );

  app.get(
    '/v1/trusted-issuers/:trusted_issuer',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{ operationId: 'getTrustedIssuer', summary: 'Get a trusted issuer', tags },
        ...{ params: schema.TrustedIssuerParams, response: { 200: schema.TrustedIssuer } },
      },
    },
    async (request) => show(await find(request.params.trusted_issuer)),
  );

  app.get(
    '/v1/trusted-issuers/:trusted_issuer/keys',
    {
      preHandler: requireScopes('workloads:read'),
      schema: {
        ...{
          operationId: 'getTrustedIssuerKeys',
          summary: 'The keys of a trusted issuer that this replica holds',
          tags,
        },
        ...{ params: schema.TrustedIssuerParams, response: { 200: schema.TrustedIssuerKeys } },
      },
    },
    async (request) => {
      const { kids, ageMs, failure } = await keys.look(await find(request.params.trusted_issuer));
      return {
        kids,
        ...(ageMs === undefined ? {} : { age_seconds: Math.floor(ageMs / 1000) }),
        ...(failure === undefined ? {} : { failure }),
      };
    },
  );

  app.patch(
    '/v1/trusted-issuers/:trusted_issuer',
    {
      preHandler: requireScopes(...CHANGES),
      schema: {
        ...{ operationId: 'updateTrustedIssuer', summary: 'Change, suspend or resume a trusted issuer', tags },
        ...{
          params: schema.TrustedIssuerParams,
          body: schema.TrustedIssuerChange,
          response: { 200: schema.TrustedIssuer },
        },
      },
    },
    async (request) =>
      act(request.caller, async (trx) => {
        const issuer = await lock(trx, request.caller, request.params.trusted_issuer);
        const updated = await store.updateTrustedIssuer(trx, readChange(issuer, request.body, issuerUrl));
        return { result: show(updated), records: [recordOf('updated', updated)], affectsDecisions: true };
      }),
  );

  app.delete(
    '/v1/trusted-issuers/:trusted_issuer',
    {
      preHandler: requireScopes(...CHANGES),
      schema: {
        ...{ operationId: 'deleteTrustedIssuer', summary: 'Trust an issuer no more', tags },
        ...{ params: schema.TrustedIssuerParams, response: { 204: Type.Null() } },
      },
    },
    async (request, reply) => {
      await act(request.caller, async (trx) => {
        const issuer = await lock(trx, request.caller, request.params.trusted_issuer);
        if (await store.hasIdentities(trx, issuer.id))
          throw new Problem('trusted_issuer_in_use', `Workloads have identities of ${issuer.name}.`, {
            hint: 'Delete those first; to stop it at once, suspend it.',
          });
        await store.deleteTrustedIssuer(trx, issuer.id);
        return { result: undefined, records: [recordOf('deleted', issuer)], affectsDecisions: true };
      });
      return reply.code(204).send(null);
    },
  );
}

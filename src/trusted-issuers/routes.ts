// /v1/trusted-issuers: who may say of a workload or a person that they are who they say.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { JsonValue } from '../audit/chain.ts';
import { notFound } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { hasPeople, requireFederation, requirePeople } from '../db/federation.ts';
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
import { requireApart } from './sharing.ts';
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
  const { id, jwks, login, login_version: _, created_at: __, updated_at: ___, ...rest } = issuer;
  const kids = jwks && { kids: jwks.keys.map(({ kid }) => String(kid)) };
  return {
    kind: `trusted_issuer.${verb}`,
    details: {
      ...{ trusted_issuer: id, ...(rest as { [member: string]: JsonValue }), ...kids },
      login: login ? { ...login } : undefined,
    },
  };
}

export function registerTrustedIssuerRoutes(server: FastifyInstance, deps: TrustedIssuerRoutesDeps): void {
  const { db, act, issuerUrl, keys } = deps;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  function show(issuer: store.TrustedIssuer): Static<typeof schema.TrustedIssuer> {
    const warnings = warningsOf(issuer, issuerUrl);
    const { jwks, login_version: _, ...shown } = issuer;
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
    const issuer = await store.lockTrustedIssuer(trx, reference, 'change');
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
      if (given.login) await requirePeople(db);
      return createOnce<Static<typeof schema.TrustedIssuer>>(act, request, reply, async (trx) => {
        requireApart(given, await store.lockIssuersNamed(trx, given.issuer));
        const issuer = await store.insertTrustedIssuer(trx, given);
        if (!issuer)
          throw new Problem('trusted_issuer_exists', `The name ${given.name} is taken.`, {
            hint: 'Choose another name. Before the migration 0009_people no two may have one iss either.',
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
        if (request.body.login !== undefined) await requirePeople(trx);
        const changed = readChange(issuer, request.body, issuerUrl);
        const named = await store.lockIssuersNamed(trx, issuer.issuer);
        requireApart(
          changed,
          named.filter(({ id }) => id !== issuer.id),
        );
        const updated = await store.updateTrustedIssuer(trx, changed, await hasPeople(trx));
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
          throw new Problem('trusted_issuer_in_use', `There are identities of ${issuer.name}.`, {
            hint: 'Delete those first; to stop it at once, suspend it.',
          });
        await store.deleteTrustedIssuer(trx, issuer.id);
        return { result: undefined, records: [recordOf('deleted', issuer)], affectsDecisions: true };
      });
      return reply.code(204).send(null);
    },
  );
}

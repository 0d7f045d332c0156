// /v1/workloads/{workload}/identities and /v1/administrators/{administrator}/identities: how others call a client, beside
// the keys of its own. What a platform calls a workload, and who of the company may be a workload or an administrator.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { findAdministrator, lockAdministrator } from '../administrators/store.ts';
import type { Act, Done } from '../audit/act.ts';
import { type Client, notFound, requireEditable } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { requireFederation, requirePeople } from '../db/federation.ts';
import { type Caller, requireReason, requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import type { Scope } from '../http/scopes.ts';
import type { KindName } from '../trusted-issuers/kinds.ts';
import { findTrustedIssuer } from '../trusted-issuers/store.ts';
import { type HoldsGrants, requireProofsChangeable } from '../workloads/rules.ts';
import { findWorkload, lockWorkload } from '../workloads/store.ts';
import { addIdentity, setReportOnly } from './change.ts';
import { warningsOf } from './check.ts';
import * as schema from './schema.ts';
import { deleteIdentity, type Identity, listIdentities, lockIdentity } from './store.ts';

export interface IdentityRoutesDeps {
  db: Db;
  act: Act;
  holdsGrants: HoldsGrants;
}

/** Whose identities they are. */
interface Owners {
  find(db: Db, reference: string): Promise<Client | undefined>;
  lock(trx: Transaction, reference: string): Promise<Client | undefined>;
  /** What else it takes to change how another proves who it is. @throws Problem */
  guard?(trx: Transaction, caller: Caller, client: Client): Promise<void>;
}

type Shown = Static<typeof schema.Identity> | Static<typeof schema.AdministratorIdentity>;
type Params = Record<string, string>;

interface Noun {
  Title: string;
  named: string;
  identity: typeof schema.Identity | typeof schema.AdministratorIdentity;
  body: typeof schema.NewIdentity | typeof schema.NewAdministratorIdentity;
  read: Scope;
  write: Scope;
}

const NOUNS: Record<'workload' | 'administrator', Noun> = {
  workload: {
    ...{ Title: 'Workload', named: 'a workload', identity: schema.Identity, body: schema.NewIdentity },
    ...{ read: 'workloads:read', write: 'workloads:write' },
  },
  administrator: {
    ...{ Title: 'Administrator', named: 'an administrator', identity: schema.AdministratorIdentity },
    ...{ body: schema.NewAdministratorIdentity, read: 'administrators:read', write: 'administrators:write' },
  },
};

function registerOf(
  server: FastifyInstance,
  { db, act }: IdentityRoutesDeps,
  noun: keyof typeof NOUNS,
  owners: Owners,
): void {
  const app = server.withTypeProvider<TypeBoxTypeProvider>();
  const { Title, named, identity: shape, body: given, read, write } = NOUNS[noun];
  const tags = [`${noun}s`];
  const path = `/v1/${noun}s/:${noun}/identities`;
  const params = schema.identityParamsOf(noun);

  function show(kind: KindName, { owner: id, ...identity }: Identity): Shown {
    const warnings = warningsOf(kind, identity);
    return { ...identity, [noun]: id, ...(warnings.length > 0 ? { warnings } : {}) } as Shown;
  }

  function done(verb: string, kind: KindName, identity: Identity): Done<Shown> {
    const { id, owner: of, claims, created_at: _, updated_at: __, ...rest } = identity;
    const details = { identity: id, [noun]: of, claims: { ...claims }, ...rest };
    const record = { kind: `${noun}.identity_${verb}`, ...(noun === 'workload' ? { workload: of } : {}), details };
    return { result: show(kind, identity), records: [record], affectsDecisions: true };
  }

  /** Whoever gives a client an identity could be that client. */
  async function lockEditable(trx: Transaction, caller: Caller, reference: string): Promise<Client> {
    await requireFederation(trx);
    const client = await owners.lock(trx, reference);
    if (!client) throw notFound(noun, reference);
    requireEditable(caller, client);
    await owners.guard?.(trx, caller, client);
    return client;
  }

  async function lockOne(trx: Transaction, caller: Caller, { [noun]: reference, identity: id }: Params) {
    const client = await lockEditable(trx, caller, reference as string);
    const identity = await lockIdentity(trx, client.id, id as string);
    if (!identity) throw notFound('identity', id as string);
    return identity;
  }

  app.post(
    path,
    {
      preHandler: requireScopes(write),
      schema: {
        ...{ operationId: `add${Title}Identity`, summary: `Give ${named} an identity of a trusted issuer`, tags },
        ...{ headers: IdempotencyHeaders, params: schema.paramsOf(noun), body: given, response: { 201: shape } },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      const body = request.body as schema.NewIdentity;
      const person = noun === 'administrator' || body.person === true;
      const reason = body.allow_wildcard ? requireReason(caller, 'A wildcard is allowed with a reason.') : undefined;
      return createOnce<Shown>(act, request, reply, async (trx) => {
        const { id } = await lockEditable(trx, caller, (request.params as Params)[noun] as string);
        if (person) await requirePeople(trx);
        const { identity, issuer } = await addIdentity(trx, { id, person }, body, reason);
        return done('added', issuer.kind, identity);
      });
    },
  );

  app.get(
    path,
    {
      preHandler: requireScopes(read),
      schema: {
        ...{ operationId: `list${Title}Identities`, summary: `The identities of ${named}`, tags },
        ...{ params: schema.paramsOf(noun), response: { 200: schema.listOf(shape) } },
      },
    },
    async (request) => {
      await requireFederation(db);
      const reference = (request.params as Params)[noun] as string;
      const client = await owners.find(db, reference);
      if (!client) throw notFound(noun, reference);
      const kinds = new Map<string, KindName>();
      const items: Shown[] = [];
      for (const identity of await listIdentities(db, client.id)) {
        const { trusted_issuer: id } = identity;
        const kind = kinds.get(id) ?? (await findTrustedIssuer(db, id))?.kind ?? 'oidc';
        kinds.set(id, kind);
        items.push(show(kind, identity));
      }
      return { items };
    },
  );

  app.patch(
    `${path}/:identity`,
    {
      preHandler: requireScopes(write),
      schema: {
        ...{ operationId: `update${Title}Identity`, summary: 'Let an identity in, or only report it', tags },
        ...{ params, body: schema.IdentityChange, response: { 200: shape } },
      },
    },
    async (request) =>
      act(request.caller, async (trx) => {
        const found = await lockOne(trx, request.caller, request.params as Params);
        const { identity, issuer } = await setReportOnly(trx, found, request.body.report_only);
        return done('updated', issuer.kind, identity);
      }),
  );

  app.delete(
    `${path}/:identity`,
    {
      preHandler: requireScopes(write),
      schema: {
        ...{ operationId: `delete${Title}Identity`, summary: `Take an identity away from ${named}`, tags },
        ...{ params, response: { 204: Type.Null() } },
      },
    },
    async (request, reply) => {
      await act(request.caller, async (trx) => {
        const identity = await lockOne(trx, request.caller, request.params as Params);
        await deleteIdentity(trx, identity.id);
        return done('deleted', 'oidc', identity);
      });
      return reply.code(204).send(null);
    },
  );
}

export function registerIdentityRoutes(server: FastifyInstance, deps: IdentityRoutesDeps): void {
  registerOf(server, deps, 'workload', {
    ...{ find: findWorkload, lock: lockWorkload },
    guard: (trx, caller, workload) => requireProofsChangeable(trx, caller, workload, deps.holdsGrants),
  });
  registerOf(server, deps, 'administrator', { find: findAdministrator, lock: lockAdministrator });
}

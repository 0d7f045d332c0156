// /v1/publishing: targets of static publishing, what should stand there, and what a publisher put in place.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Act } from '../audit/act.ts';
import { requireReason, requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { type DocumentsDeps, readDocuments } from './documents.ts';
import { lease, recordPass, recordPlaced } from './record.ts';
import * as schema from './schema.ts';
import { listTargets, type TargetRow } from './store.ts';
import { requireOpen, requireTables, turnOff, turnOn } from './targets.ts';

export interface PublishingRoutesDeps extends DocumentsDeps {
  act: Act;
}

const REASON = 'Publishing is turned on and off with a reason.';
const tags = ['publishing'];
const at = (name: string, date: Date | null): object => (date === null ? {} : { [name]: date.toISOString() });

function show(row: TargetRow, now: number): Static<typeof schema.Target> {
  const leased = row.leased_until !== null && row.leased_until.getTime() > now;
  return {
    ...{ id: row.id, target: row.target, since: row.at.toISOString(), actor: row.actor, reason: row.reason },
    ...at('ended_at', row.ended_at),
    ...at('passed_at', row.passed_at),
    ...at('verified_at', row.verified_at),
    ...(leased && row.holder !== null ? { publisher: row.holder } : {}),
  };
}

export function registerPublishingRoutes(server: FastifyInstance, deps: PublishingRoutesDeps): void {
  const { db, act, readClock } = deps;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();
  const shown = async (row: TargetRow) => show(row, await readClock(db));

  app.get(
    '/v1/publishing/targets',
    {
      preHandler: requireScopes('keys:read'),
      schema: {
        ...{ operationId: 'listPublishingTargets', summary: 'Where documents are published as files', tags },
        response: { 200: schema.Targets },
      },
    },
    async () => {
      await requireTables(db);
      const now = await readClock(db);
      return { items: (await listTargets(db)).map((row) => show(row, now)) };
    },
  );

  app.post(
    '/v1/publishing/targets',
    {
      preHandler: requireScopes('keys:rotate'),
      schema: {
        ...{
          operationId: 'turnPublishingOn',
          summary: 'Publish to a target: no standby signs before it is there',
          tags,
        },
        ...{ headers: IdempotencyHeaders, body: schema.NewTarget, response: { 201: schema.Target } },
      },
    },
    async (request, reply) => {
      requireReason(request.caller, REASON);
      return await createOnce(act, request, reply, async (trx) => {
        const done = await turnOn(trx, readClock, request.body.target, request.caller);
        return { ...done, result: show(done.result, 0) };
      });
    },
  );

  app.post(
    '/v1/publishing/targets/:target/end',
    {
      preHandler: requireScopes('keys:rotate'),
      schema: {
        ...{ operationId: 'turnPublishingOff', summary: 'Publish there no more; what is there stays', tags },
        ...{ params: schema.TargetParams, response: { 200: schema.Target } },
      },
    },
    async (request) => {
      requireReason(request.caller, REASON);
      return await shown(
        await act(request.caller, (trx) => turnOff(trx, readClock, request.params.target, request.caller)),
      );
    },
  );

  app.get(
    '/v1/publishing/targets/:target/documents',
    {
      preHandler: requireScopes('keys:read'),
      schema: {
        ...{
          operationId: 'listPublishedDocuments',
          summary: 'What should stand there, and what does by the record',
          tags,
        },
        ...{ params: schema.TargetParams, querystring: schema.DocumentsQuery, response: { 200: schema.DocumentsPage } },
      },
    },
    async (request) => {
      const { id } = await requireOpen(db, request.params.target);
      return await readDocuments(deps, id, request.query);
    },
  );

  app.post(
    '/v1/publishing/targets/:target/lease',
    {
      preHandler: requireScopes('keys:publish'),
      schema: {
        ...{ operationId: 'leasePublishing', summary: 'Be the one who publishes there, for a minute', tags },
        ...{ params: schema.TargetParams, body: schema.LeaseBody, response: { 200: schema.Lease } },
      },
    },
    (request) => act(request.caller, (trx) => lease(trx, readClock, request.params.target, request.body)),
  );

  app.post(
    '/v1/publishing/targets/:target/placements',
    {
      preHandler: requireScopes('keys:publish'),
      schema: {
        ...{ operationId: 'recordPlacements', summary: 'Report what was put in place: keys season from then on', tags },
        ...{ params: schema.TargetParams, body: schema.PlacedBody, response: { 200: schema.Placed } },
      },
    },
    (request) => act(request.caller, (trx) => recordPlaced(trx, readClock, request.params.target, request.body)),
  );

  app.post(
    '/v1/publishing/targets/:target/passes',
    {
      preHandler: requireScopes('keys:publish'),
      schema: {
        ...{ operationId: 'recordPass', summary: 'Report a complete pass: everything that changed is in place', tags },
        ...{ params: schema.TargetParams, body: schema.PassBody, response: { 200: schema.Target } },
      },
    },
    async (request) =>
      await shown(await act(request.caller, (trx) => recordPass(trx, readClock, request.params.target, request.body))),
  );
}

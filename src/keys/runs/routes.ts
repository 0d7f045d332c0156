// /v1/rotations: many rings at once, each as soon as its conditions hold; how far that is; and an end to it.
import { iso } from '../../clock.ts';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Done } from '../../audit/act.ts';
import type { RunSelection } from '../../db/rotation-types.ts';
import { requireTable } from '../../db/has-table.ts';
import { Problem } from '../../errors.ts';
import { type Caller, requireReason, requireScopes } from '../../http/caller.ts';
import { decodeCursor, toPage } from '../../http/paging.ts';
import { createId } from '../../ids.ts';
import type { RotateDeps } from '../rotate.ts';
import * as schema from './schema.ts';
import * as store from './store.ts';

const REASON = 'Many rings are rotated, and a rotation is cancelled, with a reason.';
const SHOWN_FAILURES = 100;
const tags = ['keys'];
/** @throws Problem `invalid_request` where it means nothing, or everything and something */
function readSelection({ all, ...named }: Static<typeof schema.RunBody>['selection']): RunSelection {
  const some = named.issuers !== undefined || named.tenant !== undefined || named.label !== undefined;
  if ((all === true) !== some) return named as RunSelection;
  throw new Problem('invalid_request', 'A selection is all, or issuers, a tenant or a label.', {
    hint: 'Send {"all": true} for every ring; algorithm and purpose narrow either.',
  });
}

function showRun(run: store.Run): Static<typeof schema.Run> {
  const state = run.cancelledBy === undefined ? (run.endedAt === undefined ? 'running' : 'finished') : 'cancelled';
  return {
    ...{ id: run.id, state, selection: run.selection, rate_per_minute: run.ratePerMinute, total: run.total },
    ...{ actor: run.actor, reason: run.reason, created_at: iso(run.createdAt) },
    ...(run.endedAt === undefined ? {} : { ended_at: iso(run.endedAt) }),
    ...(run.cancelledBy === undefined ? {} : { cancelled_by: run.cancelledBy }),
  };
}

async function showProgress({ db }: RotateDeps, run: store.Run): Promise<Static<typeof schema.RunProgress>> {
  const tally = await store.tallyRun(db, run.id);
  const sum = (of: (one: store.Tally) => boolean): number =>
    tally.filter(of).reduce((total, { count }) => total + count, 0);
  const done = sum(({ state }) => state === 'done');
  const failed = sum(({ state }) => state === 'failed');
  const held = sum(({ state, code }) => state === 'waiting' && code === 'ring_held');
  const waiting = tally.filter(({ state }) => state === 'waiting').map(({ next }) => next);
  return {
    ...showRun(run),
    // Rings that are not written down yet wait, too.
    ...{ done, failed, held, waiting: Math.max(0, run.total - done - failed - held) },
    ...(run.endedAt === undefined && waiting.length > 0 ? { next_at: iso(Math.min(...waiting)) } : {}),
    reasons: tally.flatMap(({ state, code, count }) =>
      code === undefined || state === 'done' ? [] : [{ code, count }],
    ),
    failures: await store.listFailed(db, run.id, SHOWN_FAILURES),
  };
}

export function registerRunRoutes(server: FastifyInstance, deps: RotateDeps): void {
  const { db, act, readClock } = deps;

  const assertMigrated = (): Promise<void> =>
    requireTable(db, 'rotation_runs', 'There is no room for rotations: the migration 0004_rotation has not run.');

  async function getRun(id: string): Promise<store.Run> {
    await assertMigrated();
    const run = await store.findRun(db, id);
    if (run) return run;
    throw new Problem('not_found', 'There is no such rotation.', { hint: 'List them with GET /v1/rotations.' });
  }

  async function begin(body: Static<typeof schema.RunBody>, caller: Caller): Promise<store.Run> {
    const selection = readSelection(body.selection);
    await assertMigrated();
    return await act(caller, async (trx): Promise<Done<store.Run>> => {
      const createdAt = await readClock(trx);
      const total = await store.countSelected(trx, selection, createdAt);
      if (total === 0)
        throw new Problem('not_found', 'No ring is meant by this selection.', {
          hint: 'List rings with GET /v1/keys.',
        });
      const run = {
        ...{ id: createId('ro'), selection, ratePerMinute: body.rate_per_minute ?? store.RATE, total, createdAt },
        ...{ actor: caller.id, as: caller.as, reason: caller.reason ?? '' },
      };
      await store.insertRun(trx, run);
      const details = { run: run.id, selection: JSON.stringify(selection), total, rate_per_minute: run.ratePerMinute };
      const result = { ...run, endedAt: undefined, cancelledBy: undefined };
      return { result, records: [{ kind: 'rotation.started', details }], affectsDecisions: false };
    });
  }

  server.post(
    '/v1/rotations',
    {
      schema: {
        ...{ operationId: 'createRotation', summary: 'Rotate many rings, each as soon as its conditions hold', tags },
        ...{ body: schema.RunBody, response: { 202: schema.Run } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request, reply) => {
      requireReason(request.caller, REASON);
      return await reply
        .code(202)
        .send(showRun(await begin(request.body as Static<typeof schema.RunBody>, request.caller)));
    },
  );

  server.get(
    '/v1/rotations',
    {
      schema: {
        ...{ operationId: 'listRotations', summary: 'Rotations of many rings, newest first', tags },
        ...{ querystring: schema.RunQuery, response: { 200: schema.RunPage } },
      },
      preHandler: requireScopes('keys:read'),
    },
    async (request) => {
      const { limit = 50, cursor } = request.query as { limit?: number; cursor?: string };
      const before = decodeCursor(cursor, 2);
      await assertMigrated();
      const runs = await store.listRuns(db, before && [iso(Number(before[0]) || 0), before[1] ?? ''], limit + 1);
      return toPage(runs, limit, showRun, ({ createdAt, id }) => [String(createdAt), id]);
    },
  );

  server.get(
    '/v1/rotations/:rotation',
    {
      schema: {
        ...{ operationId: 'getRotation', summary: 'How far a rotation is, and what it waits for', tags },
        ...{ params: schema.RunParams, response: { 200: schema.RunProgress } },
      },
      preHandler: requireScopes('keys:read'),
    },
    async (request) =>
      await showProgress(deps, await getRun((request.params as Static<typeof schema.RunParams>).rotation)),
  );

  server.post(
    '/v1/rotations/:rotation/cancel',
    {
      schema: {
        ...{ operationId: 'cancelRotation', summary: 'Begin no more rings of a rotation', tags },
        ...{ params: schema.RunParams, response: { 200: schema.RunProgress } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request) => {
      requireReason(request.caller, REASON);
      const { id } = await getRun((request.params as Static<typeof schema.RunParams>).rotation);
      await act(request.caller, async (trx) => {
        const now = await readClock(trx);
        const changed = await store.cancelRun(trx, id, now, request.caller.id);
        const records = changed ? [{ kind: 'rotation.cancelled', details: { run: id } }] : [];
        return { result: undefined, records, affectsDecisions: false };
      });
      return await showProgress(deps, await getRun(id));
    },
  );
}

// /v1/service/seal and unseal: all minting stopped, and let go on.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import { Problem } from '../errors.ts';
import { requireReason, requireScopes } from '../http/caller.ts';
import { SealChange } from './schema.ts';
import { showSeal } from './show.ts';
import { lockSeal, type Seal, updateSeal } from './store.ts';

export interface SealRoutesDeps {
  act: Act;
}

const tags = ['service'];

/** Whoever stops the service, or starts it again, says why; at the host's shell too. */
const REASON = 'A seal is set and lifted with a reason.';

async function lockOrRefuse(trx: Parameters<typeof lockSeal>[0]): Promise<Seal | undefined> {
  const found = await lockSeal(trx);
  if (found) return found.seal;
  throw new Problem('migration_missing', 'The database has no room for a seal: the migration 0002_seal has not run.', {
    hint: 'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables. Until then, suspend workloads, or stop the service.',
  });
}

export function registerSealRoutes(server: FastifyInstance, { act }: SealRoutesDeps): void {
  server.post(
    '/v1/service/seal',
    {
      preHandler: requireScopes('service:seal'),
      schema: {
        ...{ operationId: 'sealService', summary: 'Stop all minting, on every replica, from the commit on', tags },
        response: { 200: SealChange },
      },
    },
    async ({ caller }) => {
      const reason = requireReason(caller, REASON);
      return await act(caller, async (trx): Promise<Done<Static<typeof SealChange>>> => {
        const standing = await lockOrRefuse(trx);
        if (standing)
          return { result: { ...showSeal(standing), changed: false }, records: [], affectsDecisions: false };
        const by = caller.as === undefined ? { by: caller.id } : { by: caller.id, as: caller.as };
        const sealed = await updateSeal(trx, { ...by, reason });
        const records = [{ kind: 'service.sealed', details: { sealed_at: sealed?.at } }];
        return { result: { ...showSeal(sealed), changed: true }, records, affectsDecisions: true };
      });
    },
  );

  server.post(
    '/v1/service/unseal',
    {
      preHandler: requireScopes('service:seal'),
      schema: {
        ...{ operationId: 'unsealService', summary: 'Let the service mint again', tags },
        response: { 200: SealChange },
      },
    },
    async ({ caller }) => {
      requireReason(caller, REASON);
      return await act(caller, async (trx): Promise<Done<Static<typeof SealChange>>> => {
        const standing = await lockOrRefuse(trx);
        if (!standing) return { result: { sealed: false, changed: false }, records: [], affectsDecisions: false };
        await updateSeal(trx, undefined);
        const details = { sealed_at: standing.at, sealed_by: standing.by, sealed_as: standing.as };
        const records = [{ kind: 'service.unsealed', details }];
        return { result: { sealed: false, changed: true }, records, affectsDecisions: true };
      });
    },
  );
}

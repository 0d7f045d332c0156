// GET /v1/service: what this process knows of the service as a whole.
import { iso } from '../clock.ts';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireScopes } from '../http/caller.ts';
import type { Look } from '../issuers/self-check.ts';
import { showSeal } from '../seal/show.ts';
import type { Seal } from '../seal/store.ts';
import { worstOf } from '../reach/findings.ts';
import { type DocumentsStatus, ServiceStatus } from './schema.ts';

export interface StatusRoutesDeps {
  issuerUrl: string;
  /** The last look at our own documents from outside. */
  latestLook(): Look | undefined;
  /** From the database, as it stands now. */
  readSeal(): Promise<Seal | undefined>;
}

function showLook({ at, findings, tookMs, certificate }: Look): Static<typeof DocumentsStatus> {
  return {
    checked_at: iso(at),
    reached: worstOf(findings) === undefined,
    took_ms: Math.round(tookMs),
    ...(certificate ? { certificate_expires_at: iso(certificate.until) } : {}),
    findings,
  };
}

export function registerStatusRoutes(
  server: FastifyInstance,
  { issuerUrl, latestLook, readSeal }: StatusRoutesDeps,
): void {
  server.get(
    '/v1/service',
    {
      preHandler: requireScopes('keys:read'),
      schema: {
        ...{ operationId: 'getService', summary: 'The service as it stands', tags: ['service'] },
        response: { 200: ServiceStatus },
      },
    },
    async (): Promise<Static<typeof ServiceStatus>> => {
      const look = latestLook();
      return { issuer_url: issuerUrl, ...showSeal(await readSeal()), ...(look ? { documents: showLook(look) } : {}) };
    },
  );
}

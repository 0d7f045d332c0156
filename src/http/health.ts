// /livez and /readyz: any Host, no authentication, nothing but what an orchestrator needs.
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';

export const CAPABILITIES = ['documents', 'tokens', 'broker', 'admin'] as const;
export type CapabilityName = (typeof CAPABILITIES)[number];
/** What strangers may ask: the rest costs the database a question, and its reason names who sealed the service. */
export const FOR_STRANGERS = ['documents'] as const satisfies CapabilityName[];

/** Why a capability is away; undefined when it is there. */
export type Readiness = (capability: CapabilityName) => Promise<string | undefined>;

const Health = Type.Object({
  status: Type.String(),
  capability: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
});

/** @param capabilities that may be asked for at `/readyz` here */
export function registerHealthRoutes(
  server: FastifyInstance,
  readiness: Readiness,
  capabilities: readonly CapabilityName[] = CAPABILITIES,
): void {
  const Query = Type.Object(
    { capability: Type.Optional(Type.Enum([...capabilities])) },
    { additionalProperties: false },
  );
  const common = { config: { anyHost: true, answersAlone: true }, logLevel: 'silent' as const };

  server.get(
    '/livez',
    {
      ...common,
      schema: { operationId: 'getLiveness', summary: 'The process lives', tags: ['health'], response: { 200: Health } },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return { status: 'live' };
    },
  );

  server.get(
    '/readyz',
    {
      ...common,
      schema: {
        operationId: 'getReadiness',
        summary: 'Whether discovery and JWKS, or another capability, can be served',
        tags: ['health'],
        querystring: Query,
        response: { 200: Health, 503: Health },
      },
    },
    async (request, reply) => {
      const { capability = 'documents' } = request.query as Static<typeof Query>;
      const reason = await readiness(capability);
      reply.header('cache-control', 'no-store');
      if (reason === undefined) return { status: 'ready', capability };
      return await reply.code(503).header('retry-after', '1').send({ status: 'not ready', capability, reason });
    },
  );
}

// GET /metrics, on the internal listener alone: any Host, no authentication, for a scraper that goes by address.
import type { FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';

export type MetricsRoutesDeps = Pick<Metrics, 'contentType' | 'render'>;

export function registerMetricsRoute(server: FastifyInstance, metrics: MetricsRoutesDeps): void {
  server.get(
    '/metrics',
    {
      config: { anyHost: true, answersAlone: true },
      logLevel: 'silent',
      schema: { operationId: 'getMetrics', summary: 'Metrics, as Prometheus reads them', tags: ['health'], hide: true },
    },
    async (_request, reply) =>
      await reply
        .header('cache-control', 'no-store')
        .type(metrics.contentType)
        .send(await metrics.render()),
  );
}

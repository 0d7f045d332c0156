// Closing under load: a connection whose last request has ended is closed then, not when its keep-alive runs out.
import type { FastifyInstance } from 'fastify';

const LOOK_MS = 50;

/**
 * Fastify closes the connections that are idle when closing begins; one with a request in flight would be waited for until
 * its client goes away, or for the keep-alive timeout.
 */
export function closeAsTheyIdle(server: FastifyInstance): void {
  server.addHook('preClose', async () => {
    // One that never listened has no end to wait for.
    if (!server.server.listening) return;
    const timer = setInterval(() => server.server.closeIdleConnections(), LOOK_MS);
    server.server.once('close', () => clearInterval(timer));
  });
}

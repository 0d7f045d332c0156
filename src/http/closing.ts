// Leaving under load: said first, so that balancers turn away; then each connection is closed when its last request has ended.
import { setTimeout as delay } from 'node:timers/promises';
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

export interface Leaving {
  /** Why nobody should send more here; undefined while they should. */
  reason(): string | undefined;
  /** Says so, and lets who looks at readiness see it before the listeners close; every answer meanwhile ends its connection. */
  leave(servers: (FastifyInstance | undefined)[]): Promise<void>;
}

/** @param drainMs how long balancers may take to turn away. */
export function createLeaving(drainMs: number): Leaving {
  let leaving = false;
  return {
    reason: () => (leaving ? 'this process is stopping' : undefined),
    leave: async (servers) => {
      leaving = true;
      // Ahead of whoever answers: a client that keeps its connection would otherwise come back on it to a closed door.
      for (const server of servers)
        server?.server.prependListener('request', (_request, response) => {
          response.shouldKeepAlive = false;
        });
      if (drainMs > 0) await delay(drainMs);
    },
  };
}

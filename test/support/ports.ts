// Ports for what a test starts: a child that listens a moment later, and one that is started again on the same.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** On loopback, free now, and below those that the system lends to outgoing connections: nobody takes it meanwhile. */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

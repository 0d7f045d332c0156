// Ports for what a test starts: a child that listens a moment later, and one that is started again on the same.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** By its number, until this process ends: held on UDP, where nothing here listens. @returns false where another has it */
function claim(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref();
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true));
  });
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** On loopback, free now, below those that the system lends to outgoing connections, and nobody else's who asks here. */
export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    if ((await claim(port)) && (await isFree(port))) return port;
  }
}

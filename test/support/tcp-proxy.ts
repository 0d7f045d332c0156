// A TCP proxy that can be told to cut, delay or garble what passes, at bytes that follow from a seed.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

export type Harm = 'none' | 'cut' | 'delay' | 'garble' | 'hang';

export interface TcpProxy {
  port: number;
  harm: Harm;
  /** How often it did so. */
  harmed: number;
  /** Ends every connection. */
  drop(): void;
  /** From now on nothing passes on the connections that there are; new ones are as they were. */
  swallow(): void;
}

interface Choices {
  whole(below: number): number;
  chance(probability: number): boolean;
}

/** Of the chunks that pass while there is harm. */
const PROBABILITY = 0.05;

/** In front of `target`; both ways are harmed alike. */
export async function startTcpProxy(
  t: Test,
  target: { host: string; port: number },
  random: Choices,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const swallowed = new WeakSet<Socket>();
  const proxy: TcpProxy = {
    ...{ port: 0, harm: 'none', harmed: 0 },
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    swallow: () => {
      for (const socket of sockets) swallowed.add(socket);
    },
  };
  /** Passes `chunk` on, or what is left of it. */
  async function pass(chunk: Buffer, from: Socket, to: Socket): Promise<void> {
    const { harm } = proxy;
    if (swallowed.has(from)) return;
    if (harm === 'hang') {
      proxy.harmed += 1;
      while (proxy.harm === 'hang' && !to.destroyed) await new Promise((resolve) => setTimeout(resolve, 20));
    } else if (harm !== 'none' && random.chance(PROBABILITY)) {
      proxy.harmed += 1;
      const place = random.whole(chunk.length);
      if (harm === 'delay') await new Promise((resolve) => setTimeout(resolve, 50 + random.whole(1500)));
      if (harm === 'cut') {
        to.write(chunk.subarray(0, place));
        from.destroy();
        to.end();
        return;
      }
      if (harm === 'garble') chunk[place] = (chunk[place] as number) ^ (1 << random.whole(8));
    }
    if (!to.destroyed) to.write(chunk);
  }
  const server = createServer((client) => {
    const upstream = connect(target);
    const pairs: [Socket, Socket][] = [
      [client, upstream],
      [upstream, client],
    ];
    for (const [from, to] of pairs) {
      sockets.add(from);
      let order: Promise<void> = Promise.resolve();
      from.setNoDelay(true);
      from.on('data', (chunk: Buffer) => {
        order = order.then(() => pass(chunk, from, to));
      });
      from.on('end', () => {
        order = order.then(() => void to.end());
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = (server.address() as AddressInfo).port;
  t.teardown(async () => {
    proxy.harm = 'none';
    proxy.drop();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}

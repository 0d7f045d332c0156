// A load balancer as operators have one: it looks at /readyz, keeps connections open, and tries again only where none was made.
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Proxy } from './process.ts';

const LOOK_MS = 50;

/** @returns a proxy whose `targets` are asked whether they are ready; without one that is, it answers 502. */
export async function startBalancer(t: Test): Promise<Proxy> {
  const balancer: Proxy = { url: '', targets: [] };
  const ready = new Set<string>();
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let turn = 0;

  let looking = true;
  /** By target, each at its own pace: one that is slow to answer hides no other that went red. */
  const looks = new Map<string, Promise<void>>();

  async function look(target: string): Promise<void> {
    let silent = 0;
    while (looking && balancer.targets.includes(target)) {
      // One that says nothing, once, may be busy; one that says no is not ready.
      const green = await fetch(`${target}/readyz`, { signal: AbortSignal.timeout(10_000) }).then(
        async (answer) => {
          await answer.arrayBuffer();
          silent = 0;
          return answer.ok;
        },
        () => ready.has(target) && ++silent < 2,
      );
      if (green) ready.add(target);
      else ready.delete(target);
      await delay(LOOK_MS);
    }
    ready.delete(target);
    looks.delete(target);
  }

  function forward(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse, tried: Set<string>): void {
    const candidates = balancer.targets.filter((target) => ready.has(target) && !tried.has(target));
    const target = candidates[turn++ % candidates.length];
    if (target === undefined) {
      outgoing.writeHead(502).end('no replica is ready');
      return;
    }
    const { method = 'GET', headers } = incoming;
    const forwarded = request(target + incoming.url, { method, headers, agent }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    forwarded.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') return forward(incoming, body, outgoing, new Set([...tried, target]));
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end(`${error.code}: ${error.message}`);
    });
    forwarded.end(body);
  }

  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => forward(incoming, Buffer.concat(chunks), outgoing, new Set()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  balancer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const watching = (async () => {
    while (looking) {
      for (const target of balancer.targets) if (!looks.has(target)) looks.set(target, look(target));
      await delay(LOOK_MS);
    }
  })();
  t.teardown(async () => {
    looking = false;
    await watching;
    await Promise.all(looks.values());
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return balancer;
}

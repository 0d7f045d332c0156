// The service as a process of its own, and a proxy that stands where ISSUER_URL points.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { keepKek, readMetrics } from './leaks.ts';
import { leaveToSearch } from './left-by-processes.ts';
import { findLastingPort } from './ports.ts';
import { askSocket, call, PATIENCE, tempDir } from './service.ts';
import { PATIENCE_MS } from './until.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface ServiceProcess {
  child: ChildProcess;
  /** Its own address, behind the proxy. */
  url: string;
  socketPath: string;
  /** Everything that it printed. */
  output(): string;
  hostToken(): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Started and ready (or at another line of its log), or an error with what it printed; killed at the end of the test. */
export async function startProcess(
  t: Test,
  env: Record<string, string>,
  line = '"msg":"ready"',
): Promise<ServiceProcess> {
  const dir = tempDir(t);
  const port = env['PORT'] ?? (await findLastingPort());
  const socketPath = env['SOCKET_PATH'] ?? join(dir, 'run/s.sock');
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      DATA_DIR: dir,
      SOCKET_PATH: socketPath,
      ALLOWED_HOSTS: `127.0.0.1:${port}`,
      ...PATIENCE,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  // Not at its exit: what it printed last may still be on its way then.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const runs = (): boolean => child.exitCode === null && child.signalCode === null;
  const url = `http://127.0.0.1:${port}`;
  const left = leaveToSearch(t, { url, env, log: () => output });
  t.teardown(async () => {
    if (runs()) left.metrics = await readMetrics(url);
    child.kill('SIGKILL');
    await ended;
  });
  while (runs() && !output.includes(line)) await new Promise((resolve) => setTimeout(resolve, 20));
  if (!output.includes(line)) throw new Error(`the service ended with ${await ended}:\n${output}`);
  return {
    ...{ child, socketPath, url, output: () => output },
    hostToken: async () => {
      let answer = await askSocket(socketPath, { as: 'test' });
      // Its first record may be late on a busy machine.
      for (const end = performance.now() + PATIENCE_MS; answer.status === 503 && performance.now() < end; ) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        answer = await askSocket(socketPath, { as: 'test' });
      }
      if (answer.status !== 200) throw new Error(`no token at the socket: ${JSON.stringify(answer.body)}`);
      return answer.body.access_token as string;
    },
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return await ended;
    },
  };
}

export interface Proxy {
  url: string;
  /** Where the next requests go, in turn. */
  targets: string[];
}

/** Round robin; the Host header is the caller's. */
export async function startProxy(t: Test): Promise<Proxy> {
  const proxy: Proxy = { url: '', targets: [] };
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const target = proxy.targets[turn++ % proxy.targets.length];
    if (!target) return void outgoing.writeHead(503).end();
    const forwarded = request(
      target + incoming.url,
      { method: incoming.method ?? 'GET', headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(forwarded);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}

/** A key-encryption key that every replica reads. */
export function writeKek(t: Test): string {
  const file = join(tempDir(t), 'kek');
  writeFileSync(file, `${keepKek(randomBytes(32)).toString('base64')}\n`, { mode: 0o600 });
  return file;
}

export interface Replicas {
  issuerUrl: string;
  proxy: Proxy;
  replicas: ServiceProcess[];
  /** One more, with the same configuration; the proxy does not know it yet. */
  startAnother(): Promise<ServiceProcess>;
  /** A call at one replica, as the host. */
  callAt(
    replica: ServiceProcess,
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): ReturnType<typeof call>;
}

/** Replicas over one PostgreSQL, behind one issuer URL, started at once. */
export async function startReplicas(
  t: Test,
  count: number,
  env: Record<string, string>,
  start: (t: Test) => Promise<Proxy> = startProxy,
): Promise<Replicas> {
  const proxy = await start(t);
  const shared = { ISSUER_URL: proxy.url, KEY_ENCRYPTION_KEY_FILE: writeKek(t), ...env };
  const replicas = await Promise.all(Array.from({ length: count }, () => startProcess(t, shared)));
  proxy.targets = replicas.map((replica) => replica.url);
  const tokens = new Map<ServiceProcess, string>();
  return {
    ...{ issuerUrl: proxy.url, proxy, replicas },
    startAnother: () => startProcess(t, shared),
    callAt: async (replica, method, path, body, token) => {
      if (!tokens.has(replica)) tokens.set(replica, await replica.hostToken());
      return await call(replica.url, method, path, body, { authorization: `Bearer ${token ?? tokens.get(replica)}` });
    },
  };
}

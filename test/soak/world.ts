// Replicas over one PostgreSQL behind one issuer URL, an account that lets them in, and who will use them.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { createStack, startTestSandbox } from '../support/connect-account.ts';
import { keepPrivateKey } from '../support/known-secrets.ts';
import { writeKek } from '../support/process.ts';
import { askSocket, call, PATIENCE, type TestClient } from '../support/service.ts';
import { createReplica, type Replica } from './replica.ts';

export interface SoakWorld {
  issuerUrl: string;
  replicas: Replica[];
  sandbox: Sandbox;
  connection: { id: string; issuer: string };
  /** Always active; the second is suspended and resumed. */
  steady: TestClient;
  victim: TestClient;
  hostToken(): Promise<string>;
}

export type WireName = 'client' | 'database' | 'sts' | 'issuer';

/** Stands at ISSUER_URL: whatever can be asked twice is asked of another replica when one is gone. */
export async function startIssuerProxy(t: Test, replicas: Replica[]): Promise<string> {
  let turn = 0;
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse, attempts: number): void => {
    const ready = replicas.filter((replica) => replica.ready);
    const target = (ready.length > 0 ? ready : replicas)[turn++ % (ready.length || replicas.length)] as Replica;
    const { method = 'GET', headers, url = '/' } = incoming;
    const forwarded = request(target.direct + url, { method, headers, timeout: 4000 }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    forwarded.on('timeout', () => forwarded.destroy());
    forwarded.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else if (attempts > 1) forward(incoming, outgoing, attempts - 1);
      else outgoing.writeHead(502).end();
    });
    forwarded.end();
  };
  const server = createServer((incoming, outgoing) => forward(incoming, outgoing, 4)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function openSoakWorld(
  t: Test,
  options: {
    databaseUrl: string;
    replicas: number;
    /** Further variables, e.g. the roots of PostgreSQL's certificate. */
    env?: Record<string, string>;
    /** A proxy on a wire that leads to this port. */
    startWire?: (wire: WireName, port: number) => Promise<{ port: number }>;
  },
): Promise<SoakWorld> {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const replicas: Replica[] = [];
  const { startWire } = options;
  /** The same URL, by way of a wire where there is one. */
  const through = async (wire: WireName, address: string): Promise<string> => {
    const url = new URL(address);
    if (startWire) url.port = String((await startWire(wire, Number(url.port))).port);
    return url.href.replace(/\/$/, '');
  };
  const issuerUrl = await through('issuer', await startIssuerProxy(t, replicas));
  const env = {
    ISSUER_URL: issuerUrl,
    KEY_ENCRYPTION_KEY_FILE: writeKek(t),
    DATABASE_URL: await through('database', options.databaseUrl),
    STS_ENDPOINT_URL: await through('sts', sandbox.url),
    LOG_LEVEL: 'info',
    ...PATIENCE,
    ...options.env,
  };
  const clientWire = startWire && ((port: number) => startWire('client', port));
  for (let index = 0; index < options.replicas; index += 1)
    replicas.push(await createReplica(t, env, clientWire, options.databaseUrl));
  for (const replica of replicas) replica.start();
  await Promise.all(replicas.map((replica) => replica.untilReady(60_000)));
  const [first] = replicas as [Replica];
  let token = '';
  let mintedAt = -Infinity;
  const hostToken = async (): Promise<string> => {
    if (performance.now() - mintedAt > 600_000) {
      const ready = replicas.find((replica) => replica.ready) ?? first;
      const { status, body } = await askSocket(ready.socketPath, { as: 'soak', reason: 'soak' });
      // The one before lives for five minutes more.
      if (status !== 200) return token;
      token = body.access_token as string;
      mintedAt = performance.now();
    }
    return token;
  };
  const api = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${await hostToken()}`, 'idempotency-key': randomUUID() };
    let answer = await call(first.url, method, path, body, headers);
    // A machine that is busy with other things may be slow to let the replicas begin.
    for (let attempt = 0; answer.status === 503 && attempt < 30; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      answer = await call(first.url, method, path, body, headers);
    }
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const account = '111122223333';
  const made = await api('POST', '/v1/connections', {
    name: 'A customer',
    aws: { account_id: account, permission_set: 'read-only' },
  });
  await createStack(sandbox, account, 'countersign', await api('GET', `/v1/connections/${made.id}/template`));
  await api('POST', `/v1/connections/${made.id}/verify`);
  const { state } = await api('GET', `/v1/connections/${made.id}?wait=active&timeout_seconds=30`);
  if (state !== 'active') throw new Error(`not active: ${state}`);
  const register = async (slug: string): Promise<TestClient> => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    keepPrivateKey('the private key of a client', privateKey);
    const workload = await api('POST', '/v1/workloads', { slug, keys: [publicKey.export({ format: 'jwk' })] });
    await api('POST', '/v1/grants', { workload: workload.id, selector: { connection: made.id } });
    return { id: workload.id, slug, kid: workload.keys[0].kid, privateKey };
  };
  const connection = { id: made.id as string, issuer: made.issuer.id as string };
  return {
    ...{ issuerUrl, replicas, sandbox, connection, hostToken },
    steady: await register('steady'),
    victim: await register('victim'),
  };
}

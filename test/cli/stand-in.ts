// A stand-in for the service: answers what a test says, keeps what it was sent, checks client assertions as the real one does.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { jwtVerify, type JWTPayload } from 'jose';
import type { Test } from 'tap';
import { run } from '../../src/cli/main.ts';
import type { Outside } from '../../src/cli/outside.ts';

export const ISSUER = 'https://id.example.com';
export const CONNECTION = `cn_${'a'.repeat(26)}`;

export interface Received {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string | undefined>;
  text: string;
  /** JSON, where it is. */
  body: unknown;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: unknown;
  /** Closes the connection instead. */
  reset?: boolean;
}

export type Routes = Record<string, Reply | ((received: Received, nth: number) => Reply | Promise<Reply>)>;

export interface StandIn {
  url: string;
  /** Calls of the API, without discovery and the token endpoint. */
  calls: Received[];
  /** Forms that the token endpoint accepted, with the claims of their assertions. */
  tokens: { form: Record<string, string>; claims: JWTPayload; header: { kid?: string; typ?: string; alg?: string } }[];
  /** Environment of a client that it knows. */
  env: Record<string, string>;
  folder: string;
}

export interface StandInOptions {
  clientId?: string;
  /** Instead of a token: an OAuth error; or decided for each good assertion, the first being number 1. */
  refuseToken?: Reply | ((nth: number) => Reply | undefined);
  /** Members that discovery answers otherwise. */
  discovery?: object;
}

async function read(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const url = new URL(request.url ?? '/', 'http://stand-in');
  const json = request.headers['content-type'] === 'application/json';
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers as Record<string, string | undefined>,
    text,
    body: json ? JSON.parse(text) : undefined,
  };
}

export function sendReply(response: ServerResponse, { status = 200, headers = {}, body, reset }: Reply): void {
  if (reset) return void response.destroy();
  const type =
    typeof body === 'string' ? 'text/plain' : status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'x-request-id': 'rq_standin', ...headers });
  response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
}

export function listen(t: Test, server: Server, where: number | string): Promise<void> {
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return new Promise((resolve) =>
    typeof where === 'string' ? server.listen(where, resolve) : server.listen(where, '127.0.0.1', resolve),
  );
}

async function acceptAssertion(
  text: string,
  publicKey: KeyObject,
  clientId: string,
): Promise<StandIn['tokens'][number]> {
  const form = Object.fromEntries(new URLSearchParams(text));
  const { payload, protectedHeader } = await jwtVerify(form.client_assertion ?? '', publicKey, {
    ...{ audience: ISSUER, issuer: clientId, subject: clientId, algorithms: ['ES256', 'RS256'], maxTokenAge: 300 },
    requiredClaims: ['exp', 'iat', 'jti'],
  });
  return { form, claims: payload, header: protectedHeader };
}

export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** @param routes by `METHOD /path`; anything else is answered 404 with a problem. */
export async function startStandIn(t: Test, routes: Routes = {}, options: StandInOptions = {}): Promise<StandIn> {
  const { clientId = `wl_${'b'.repeat(26)}` } = options;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const folder = temporaryFolder(t);
  const privateKeyFile = join(folder, 'client.pem');
  writeFileSync(privateKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const standIn: StandIn = { url: '', calls: [], tokens: [], env: {}, folder };
  const counts = new Map<string, number>();

  async function answer(received: Received): Promise<Reply> {
    const name = `${received.method} ${received.path}`;
    if (name === 'GET /.well-known/openid-configuration')
      return { body: { issuer: ISSUER, token_endpoint: `${standIn.url}/oauth2/token`, ...options.discovery } };
    if (name === 'POST /oauth2/token') {
      const { refuseToken } = options;
      if (typeof refuseToken === 'object') return refuseToken;
      standIn.tokens.push(await acceptAssertion(received.text, publicKey, clientId));
      const refused = refuseToken?.(standIn.tokens.length);
      if (refused) return refused;
      return { body: { access_token: 'issued-token', token_type: 'Bearer', expires_in: 900 } };
    }
    standIn.calls.push(received);
    const nth = counts.get(name) ?? 0;
    counts.set(name, nth + 1);
    const reply = routes[name];
    if (reply === undefined) return problem(404, 'not_found', `There is nothing at ${name}.`);
    return typeof reply === 'function' ? reply(received, nth) : reply;
  }

  const server = createServer((request, response) => {
    read(request)
      .then(answer)
      .then((reply) => sendReply(response, reply))
      .catch((error: unknown) =>
        sendReply(response, { status: 400, body: { error: 'invalid_client', error_description: String(error) } }),
      );
  });
  await listen(t, server, 0);
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  standIn.env = {
    COUNTERSIGN_URL: standIn.url,
    COUNTERSIGN_CLIENT_ID: clientId,
    COUNTERSIGN_PRIVATE_KEY_FILE: privateKeyFile,
  };
  return standIn;
}

export function problem(status: number, code: string, detail: string, hint?: string): Reply {
  return {
    status,
    body: { type: `urn:countersign:problem:${code}`, title: 'x', status, code, detail, hint, request_id: 'rq_problem' },
  };
}

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
  /** stdout as JSON. */
  json(): unknown;
}

/** Against a real service, which may need a moment on a busy machine. */
export const REAL_TIME: Partial<Outside> = {
  now: Date.now,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Runs the command in this process. Time passes by `sleep` alone. */
export async function cli(
  argv: string[],
  env: Record<string, string | undefined> = {},
  over: Partial<Outside> = {},
): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  let slept = 0;
  const started = Date.now();
  const code = await run(argv, {
    env,
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    now: () => started + slept,
    sleep: async (ms) => void (slept += ms),
    stopped: async () => {},
    ...over,
  });
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as unknown };
}

// The whole service in this process, over real HTTP and its Unix socket, and what tests ask of it.
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { type Logger, pino } from 'pino';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../../src/clock.ts';
import { type Config, isLoopback, readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/connect.ts';
import { type Ask, createAsk } from '../../src/reach/stranger.ts';
import { startService } from '../../src/service.ts';
import { openAsService, openTestDatabase } from './databases.ts';
import { keepPrivateKey, keepShown } from './known-secrets.ts';
import { findLastingPort } from './ports.ts';
import { keepKek, keepPrivateHalves, keepRefusal, readMetrics, searchService } from './leaks.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // Tests look into answers whose shape is what they test.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any;
}

export interface TestService {
  config: Config;
  database: Database;
  /** Both listeners: they share a port, as with any loopback issuer. The internal one, where ISSUER_URL is another origin. */
  url: string;
  /** Lines of the log, as objects. */
  logged: Record<string, unknown>[];
  /** What it writes them to. */
  log: Logger;
  /** A call of the API, as the host with every scope unless a token is given; `null` for none. */
  call(
    method: string,
    path: string,
    body?: unknown,
    options?: { token?: string | null; headers?: Record<string, string> },
  ): Promise<Answer>;
  hostToken(scopes?: string[]): Promise<string>;
  close(): Promise<void>;
}

export function tempDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'cs-'));
  // Whoever still writes there, such as a child of a child, is about to end.
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

/** Asks the host's socket. */
export async function askSocket(socketPath: string, body: object): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, path: '/token', method: 'POST', headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          keepShown('that the socket gave', text);
          resolve({ status: response.statusCode ?? 0, headers: new Headers(), body: JSON.parse(text) });
        });
      },
    );
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  keepShown('that was sent', `${headers['authorization'] ?? ''} ${sent ?? ''}`);
  const response = await fetch(url + path, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(sent === undefined ? {} : { body: sent }),
  });
  const text = await response.text();
  if (response.status >= 400) keepRefusal(url, text);
  else keepShown('that was answered', text);
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    headers: response.headers,
    body: /json/.test(type) && text ? JSON.parse(text) : text,
  };
}

/** As a stranger would, but to this machine alone. */
export const askLoopback: Ask = async (url) => {
  if (!isLoopback(url)) throw Object.assign(new Error('tests stay on this machine'), { code: 'ENOTFOUND' });
  return await createAsk()(url);
};

export interface TestServiceOptions {
  /** How the service looks at its own documents. */
  ask?: Ask;
  /** How it asks trusted issuers. */
  egress?: Ask;
  database?: Database;
  clock?: Clock;
  /** By which rates count. */
  pace?: Pick<Clock, 'monotonic'>;
  env?: Record<string, string>;
  /** What is done to the database before the start. */
  before?(config: Config): Promise<void>;
}

/** On a busy machine what is seen of the keys may be older than a loopback issuer's policy has it. */
export const PATIENCE = { KEY_POLICY_OLDEST_SERVED_SECONDS: '30', KEY_POLICY_OLDEST_SIGNED_SECONDS: '30' };

/** Started with a loopback issuer, closed at the end of the test. */
export async function startTestService(t: Test, options: TestServiceOptions = {}): Promise<TestService> {
  const dir = tempDir(t);
  const database = options.database ?? (await openTestDatabase(t));
  // It runs as its own role, as in production; tests look into the database, and change it, as the owner.
  const own = options.database ?? (await openAsService(t, database));
  const port = await findLastingPort();
  const config = readConfig({
    ...{
      ISSUER_URL: `http://127.0.0.1:${port}`,
      DATA_DIR: dir,
      KEYS_DIR: join(dir, 'keys'),
      SOCKET_PATH: join(dir, 'run/s.sock'),
      ...PATIENCE,
    },
    ...options.env,
  });
  await options.before?.(config);
  const listeners = `http://127.0.0.1:${port}`;
  // Where ISSUER_URL leads elsewhere, nothing of ours answers there.
  const url = config.issuerUrl === listeners ? listeners : config.internalUrl;
  const logged: Record<string, unknown>[] = [];
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
    logged.push(JSON.parse(line));
  };
  const log: Logger = pino({ level: 'debug' }, { write });
  // Tests on PostgreSQL have a KEK made for them too: it is the engine that differs, not the test.
  const service = await startService(
    { ...config, mayCreateKek: true },
    {
      database: own,
      clock: options.clock ?? systemClock,
      pace: options.pace,
      // A busy machine is no database that hangs: the stream's own tests have its deadline.
      appendDeadlineMs: 30_000,
      log,
      ask: options.ask ?? askLoopback,
      egress: options.egress,
    },
  );
  for (const source of config.keks)
    if ('file' in source && existsSync(source.file))
      keepKek(Buffer.from(readFileSync(source.file, 'utf8').trim(), 'base64'));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= service.close());
  t.teardown(async () => {
    const metrics = closed ? '' : await readMetrics(url);
    await close();
    await keepPrivateHalves(database.db).catch(() => {});
    searchService(t, { urls: [url], log: lines.join(''), metrics });
  });
  const hostToken = async (scopes?: string[]): Promise<string> => {
    const { body } = await askSocket(config.socketPath, {
      as: 'test',
      reason: 'a test',
      ...(scopes ? { scopes } : {}),
    });
    return body.access_token as string;
  };
  let everything: string | undefined;
  return {
    ...{ config, database, url, logged, log, hostToken, close },
    call: async (method, path, body, { token, headers = {} } = {}) => {
      everything ??= token === undefined ? await hostToken() : everything;
      const bearer = token === undefined ? everything : token;
      return await call(url, method, path, body, {
        ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
        ...headers,
      });
    },
  };
}

export interface TestClient {
  id: string;
  slug: string;
  kid: string;
  privateKey: KeyObject;
}

function createKey(): { jwk: Record<string, unknown>; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  keepPrivateKey('the private key of a client', privateKey);
  return { jwk: publicKey.export({ format: 'jwk' }) as Record<string, unknown>, privateKey };
}

/** Registers a workload (or an administrator) with a key of its own. */
export async function registerClient(
  service: TestService,
  options: { slug: string; scopes?: string[]; audiences?: string[]; kind?: 'workloads' | 'administrators' },
): Promise<TestClient> {
  const { jwk, privateKey } = createKey();
  const { kind = 'workloads', slug, scopes = [], audiences } = options;
  const { status, body } = await service.call('POST', `/v1/${kind}`, {
    slug,
    scopes,
    ...(audiences ? { audiences } : {}),
    keys: [jwk],
  });
  if (status !== 201) throw new Error(`could not register ${slug}: ${JSON.stringify(body)}`);
  return { id: body.id, slug, kid: body.keys[0].kid, privateKey };
}

/** A client assertion; `claims` and `header` replace what is right. */
export async function assertion(
  issuerUrl: string,
  client: Pick<TestClient, 'id' | 'kid' | 'privateKey'>,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: client.id,
    sub: client.id,
    aud: issuerUrl,
    iat: now,
    exp: now + 60,
    jti: randomUUID(),
    ...claims,
  };
  const signed = await new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', kid: client.kid, ...header } as { alg: string })
    .sign(client.privateKey);
  keepShown('of a client', signed);
  return signed;
}

export async function postToken(
  url: string,
  form: Record<string, string> | URLSearchParams | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  return await call(url, 'POST', '/oauth2/token', body, {
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  });
}

export function tokenForm(clientAssertion: string, resource: string, scope?: string): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: clientAssertion,
    resource,
    ...(scope === undefined ? {} : { scope }),
  };
}

/** A workload token, from the token endpoint at `url` (the service's own unless given). */
export async function workloadToken(
  service: TestService,
  client: TestClient,
  resource: string,
  scope?: string,
  url = service.url,
): Promise<string> {
  const { status, body } = await postToken(
    url,
    tokenForm(await assertion(service.config.issuerUrl, client), resource, scope),
  );
  if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`);
  return body.access_token as string;
}

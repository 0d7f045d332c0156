// The registries' routes on a fresh database, called as whoever a test says; and the rows that tests of grants stand on.
import { holdsGrants } from '../../src/grants/store.ts';
import { generateKeyPairSync } from 'node:crypto';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import pino from 'pino';
import type { Test } from 'tap';
import { type Act, createAct } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { registerAdministratorRoutes } from '../../src/administrators/routes.ts';
import { registerWhoamiRoute } from '../../src/clients/whoami.ts';
import type { Clock } from '../../src/clock.ts';
import type { Database } from '../../src/db/connect.ts';
import { registerGrantRoutes } from '../../src/grants/routes.ts';
import type { Caller } from '../../src/http/caller.ts';
import { SCOPES, type Scope } from '../../src/http/scopes.ts';
import { createServer } from '../../src/http/server.ts';
import { registerWorkloadRoutes } from '../../src/workloads/routes.ts';
import { openTestDatabase } from '../support/databases.ts';
import { readEpoch } from '../support/epoch.ts';

export const ISSUER_URL = 'https://id.example.com';
export const NOW = Date.UTC(2026, 10, 20, 12);

export interface Api {
  database: Database;
  server: FastifyInstance;
  act: Act;
  /** Stands still unless a test moves it. */
  time: { now: number };
  /** The host, with every scope, unless said otherwise. */
  call(method: string, url: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  /** The audit rows of kinds that begin with `prefix`, oldest first, parsed. */
  records(prefix: string): Promise<Record<string, any>[]>;
  epoch(): Promise<number>;
}

export interface CallOptions {
  as?: { kind?: Caller['kind']; id?: string; scopes?: readonly Scope[]; reason?: string; identity?: string };
  headers?: Record<string, string>;
  /** Sent as it is. */
  raw?: string;
}

export interface Answer {
  status: number;
  body: any;
  headers: LightMyRequestResponse['headers'];
}

export async function openApi(t: Test, database?: Database): Promise<Api> {
  const opened = database ?? (await openTestDatabase(t));
  const time = { now: NOW };
  const clock: Clock = { wall: () => time.now, monotonic: () => performance.now() };
  // Rates have tests of their own: for them each request comes seconds after the one before it.
  let paced = 0;
  const pace = { monotonic: () => (paced += 2000) };
  await ensurePartitions(opened.db, new Date(time.now));
  const stream = createAuditStream({ database: opened, clock });
  const act = createAct(stream);
  const server = createServer({ hosts: new Set(['localhost:80']), logger: pino({ level: 'silent' }) });
  let caller: Caller;
  server.decorateRequest('caller', undefined as unknown as Caller);
  server.addHook('onRequest', async (request) => {
    request.caller = caller;
  });
  registerWorkloadRoutes(server, { db: opened.db, act, clock, pace, issuerUrl: ISSUER_URL, holdsGrants });
  registerAdministratorRoutes(server, { db: opened.db, act, clock });
  registerGrantRoutes(server, { db: opened.db, act });
  registerWhoamiRoute(server, { db: opened.db });
  t.teardown(() => server.close().then(() => stream.close()));
  return {
    ...{ database: opened, server, act, time },
    call: async (method, url, body, { as = {}, headers = {}, raw } = {}) => {
      const { kind = 'host', id = 'host', scopes = SCOPES, reason, identity } = as;
      caller = { kind, id, scopes: new Set(scopes), reason, identity, confirm: async () => {} };
      const response = await server.inject({
        method: method as 'GET',
        url,
        headers: {
          ...(body !== undefined || raw !== undefined ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(raw !== undefined ? { payload: raw } : body === undefined ? {} : { payload: JSON.stringify(body) }),
      });
      return {
        status: response.statusCode,
        body: response.body === '' ? undefined : response.json(),
        headers: response.headers,
      };
    },
    records: async (prefix) => {
      const rows = await opened.db
        .selectFrom('audit')
        .select('row')
        .where('kind', 'like', `${prefix}%`)
        .orderBy('seq')
        .execute();
      return rows.map(({ row }) => JSON.parse(row));
    },
    epoch: () => readEpoch(opened),
  };
}

export function ecJwk(): Record<string, string> {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }) as Record<
    string,
    string
  >;
}

/** A problem document with a code, and a hint that says what to do. */
export function refused(t: Test, answer: Answer, status: number, code: string, message?: string): void {
  t.match(answer, { status, body: { status, code, detail: /\S/, hint: /\S/ } }, message ?? `${status} ${code}`);
}

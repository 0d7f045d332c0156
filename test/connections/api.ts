// The routes of connections on a fresh database, called as whoever a test says; rings and grants are stand-ins that write down what they are asked.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import pino from 'pino';
import type { Test } from 'tap';
import { type Act, createAct } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { systemClock } from '../../src/clock.ts';
import { type ConnectionDependencies, registerConnectionRoutes } from '../../src/connections/routes.ts';
import type { Database } from '../../src/db/connect.ts';
import { assertLabelsUnambiguous } from '../../src/grants/ambiguity.ts';
import { listGrantedConnections } from '../../src/grants/visible.ts';
import type { Caller } from '../../src/http/caller.ts';
import { SCOPES, type Scope } from '../../src/http/scopes.ts';
import { createServer } from '../../src/http/server.ts';
import type { Rings } from '../../src/keys/rings.ts';
import { openTestDatabase } from '../support/databases.ts';
import { readEpoch } from '../support/epoch.ts';

export const ISSUER_URL = 'https://id.example.com';
export const ACCOUNT = '111122223333';

export interface CallOptions {
  kind?: Caller['kind'];
  id?: string;
  scopes?: readonly Scope[];
  headers?: Record<string, string>;
  /** Sent as it is. */
  raw?: string;
}

export interface Answer {
  status: number;
  // Tests look into answers whose shape is what they test.
  body: any;
  text: string;
  headers: LightMyRequestResponse['headers'];
}

export interface Api {
  database: Database;
  act: Act;
  server: FastifyInstance;
  /** What the rings were asked to do: `prepare ES256`, `insert is_…`, `destroy is_…`. */
  rings: string[];
  woken: () => number;
  call(method: string, url: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  /** Registers one, or throws with the answer. */
  create(more?: object, options?: CallOptions): Promise<any>;
  records(prefix: string): Promise<Record<string, any>[]>;
  epoch(): Promise<number>;
  /** Everything that a refused request must leave as it was. */
  snapshot(): Promise<string>;
}

export const NEW = { name: 'Example', aws: { account_id: ACCOUNT, permission_set: 'core' } };

export async function openApi(t: Test, more: Partial<ConnectionDependencies> = {}): Promise<Api> {
  const database = await openTestDatabase(t);
  const { db } = database;
  await ensurePartitions(db, new Date());
  const stream = createAuditStream({ database, clock: systemClock, deadlineMs: 30_000 });
  const act = createAct(stream);
  const asked: string[] = [];
  let woken = 0;
  const rings = {
    prepare: async (ring: { algorithm: string }) => {
      asked.push(`prepare ${ring.algorithm}`);
      return ring;
    },
    insert: async (_trx: unknown, ring: { issuer: string }) => void asked.push(`insert ${ring.issuer}`),
    destroyPrivateKeys: async (_trx: unknown, issuer: string) => void asked.push(`destroy ${issuer}`),
  } as unknown as Rings;
  const server = createServer({ hosts: new Set(['localhost:80']), logger: pino({ level: 'silent' }) });
  let caller: Caller;
  server.decorateRequest('caller', undefined as unknown as Caller);
  server.addHook('onRequest', async (request) => {
    request.caller = caller;
  });
  registerConnectionRoutes(server, {
    ...{ db, act, clock: systemClock, rings, issuerUrl: ISSUER_URL, assertLabelsUnambiguous, listGrantedConnections },
    ...{ pollMs: 20, wake: () => (woken += 1), ...more },
  });
  t.teardown(() => server.close().then(() => stream.close()));

  const call: Api['call'] = async (
    method,
    url,
    body,
    { kind = 'host', id = 'host', scopes = SCOPES, headers = {}, raw } = {},
  ) => {
    caller = { kind, id, scopes: new Set(scopes), confirm: async () => {} };
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const type = payload === undefined ? {} : { 'content-type': 'application/json' };
    const response = await server.inject({
      ...{ method: method as 'GET', url, headers: { ...type, ...headers } },
      ...(payload === undefined ? {} : { payload }),
    });
    const json = /json/.test(String(response.headers['content-type']));
    return {
      status: response.statusCode,
      body: json ? response.json() : undefined,
      text: response.body,
      headers: response.headers,
    };
  };
  const epoch: Api['epoch'] = () => readEpoch(database);
  return {
    ...{ database, act, server, rings: asked, call, epoch },
    woken: () => woken,
    create: async (extra = {}, options = {}) => {
      const answer = await call('POST', '/v1/connections', { ...NEW, ...extra }, options);
      if (answer.status !== 201) throw new Error(`not created: ${answer.text}`);
      return answer.body;
    },
    records: async (prefix) => {
      const rows = await db
        .selectFrom('audit')
        .select('row')
        .where('kind', 'like', `${prefix}%`)
        .orderBy('seq')
        .execute();
      return rows.map(({ row }) => JSON.parse(row));
    },
    snapshot: async () =>
      JSON.stringify([
        await db.selectFrom('connections').selectAll().orderBy('id').execute(),
        await db.selectFrom('aws_connections').selectAll().orderBy('connection').execute(),
        await db.selectFrom('verifications').selectAll().orderBy('connection').execute(),
        await db.selectFrom('issuers').selectAll().orderBy('id').execute(),
        await db.selectFrom('audit').select(['kind', 'seq']).orderBy('seq').execute(),
        await epoch(),
      ]),
  };
}

/** A problem document with a code, and a hint that says what to do. */
export function refused(t: Test, answer: Answer, status: number, code: string, message?: string): void {
  t.match(answer, { status, body: { status, code, detail: /\S/, hint: /\S/ } }, message ?? `${status} ${code}`);
}

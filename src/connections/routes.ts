// /v1/connections: registering, reading, changing and disconnecting connections.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { Act } from '../audit/act.ts';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import type { ConnectionState } from '../db/types.ts';
import { type Caller, requireScopes } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { decodeCursor, encodeCursor, type Page, toPage } from '../http/paging.ts';
import type { Rings } from '../keys/rings.ts';
import { changeConnection, disconnect } from './change.ts';
import { type AssertLabelsUnambiguous, buildConnection, createConnection } from './create.ts';
import { parseLabel } from './labels.ts';
import { registerOnboardingRoutes } from './onboarding.ts';
import { requireFound } from './refusals.ts';
import {
  ConnectionChange,
  ConnectionPage,
  ConnectionParams,
  ConnectionQuery,
  Connection as ConnectionSchema,
  type Connection,
  NewConnection,
  WaitQuery,
} from './schema.ts';
import { showConnection } from './show.ts';
import { type ConnectionFilter, findConnection, findConnections, listConnections } from './store.ts';
import { waitUntilActive } from './wait.ts';

/** Ids of the connections that a workload's grants select, in order. */
export type ListGrantedConnections = (
  db: Db,
  workload: string,
  page: {
    after?: string | undefined;
    limit: number;
    tenant?: string | undefined;
    label?: Record<string, string> | undefined;
    state?: ConnectionState | undefined;
  },
) => Promise<string[]>;

export interface ConnectionDependencies {
  db: Db;
  act: Act;
  clock: Clock;
  rings: Pick<Rings, 'prepare' | 'insert' | 'destroyPrivateKeys'>;
  /** ISSUER_URL, without a trailing slash. */
  issuerUrl: string;
  templateUrl?: string | undefined;
  assertLabelsUnambiguous: AssertLabelsUnambiguous;
  listGrantedConnections: ListGrantedConnections;
  /** An issuer was added: the view of this process should know before the caller goes on. */
  learn?: ((issuer: string) => Promise<unknown>) | undefined;
  /** A ring was destroyed: the same. */
  changed?: (() => Promise<unknown>) | undefined;
  /** A connection is waiting to be verified. */
  wake?: (() => void) | undefined;
  /** @throws Problem where a cloud could not read that issuer's documents now. */
  assertReachable?: ((issuer: string) => Promise<void>) | undefined;
  /** Milliseconds between two reads of a long poll; 500 unless given. */
  pollMs?: number | undefined;
}

const tags = ['connections'];

export function registerConnectionRoutes(server: FastifyInstance, deps: ConnectionDependencies): void {
  const { db, act, clock, rings, issuerUrl, assertLabelsUnambiguous } = deps;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());
  registerOnboardingRoutes(server, deps);
  // What was committed stands, whether or not this process has looked at it yet.
  const look = async (looking: Promise<unknown> | undefined): Promise<void> => void (await looking?.catch(() => {}));

  app.post(
    '/v1/connections',
    {
      preHandler: requireScopes('connections:write'),
      schema: {
        ...{ operationId: 'createConnection', summary: 'Register a connection to one cloud account and role', tags },
        ...{ headers: IdempotencyHeaders, body: NewConnection, response: { 201: ConnectionSchema } },
      },
    },
    async (request, reply) => {
      const row = buildConnection(request.caller, request.body);
      // Key pairs take their time: made before the transaction, never inside it.
      const prepared = await rings.prepare({
        ...{ issuer: row.issuer, algorithm: row.algorithm, purpose: 'web_identity_token' },
      });
      const answer = await createOnce<Connection>(act, request, reply, async (trx) => {
        const created = await createConnection(trx, { rings, assertLabelsUnambiguous }, row, prepared, request.caller);
        return { ...created, result: showConnection(created.result, issuerUrl) };
      });
      await look(deps.learn?.(row.issuer));
      return answer;
    },
  );

  app.get(
    '/v1/connections',
    {
      preHandler: requireListable,
      schema: {
        ...{ operationId: 'listConnections', tags, querystring: ConnectionQuery, response: { 200: ConnectionPage } },
        summary: 'List connections: all with connections:read, else those that the calling workload may use',
        description: 'Disconnected ones are listed only where asked for by state.',
      },
    },
    async (request) => {
      const { limit = 50, cursor, label, ...query } = request.query;
      const [after] = decodeCursor(cursor, 1) ?? [];
      const filter = { ...query, after, label: label === undefined ? undefined : parseLabel(label) };
      if (!request.caller.scopes.has('connections:read')) return listGranted(request.caller, filter, limit);
      const rows = await listConnections(db, { ...filter, limit: limit + 1 });
      return toPage(
        rows,
        limit,
        (row) => showConnection(row, issuerUrl),
        ({ id }) => [id],
      );
    },
  );

  async function listGranted(
    caller: Caller,
    filter: ConnectionFilter & { after?: string | undefined },
    limit: number,
  ): Promise<Page<Connection>> {
    const ids = await deps.listGrantedConnections(db, caller.id, { ...filter, limit: limit + 1 });
    const shown = ids.slice(0, limit);
    const rows = await findConnections(db, shown);
    const last = shown.at(-1);
    return {
      items: rows
        .filter(({ state }) => state !== 'disconnected' || filter.state === 'disconnected')
        .map((row) => showConnection(row, issuerUrl)),
      ...(ids.length > limit && last !== undefined ? { next_cursor: encodeCursor([last]) } : {}),
    };
  }

  app.get(
    '/v1/connections/:connection',
    {
      preHandler: requireScopes('connections:read'),
      schema: {
        ...{ operationId: 'getConnection', summary: 'Get a connection, at once or when it is active', tags },
        ...{ params: ConnectionParams, querystring: WaitQuery, response: { 200: ConnectionSchema } },
      },
    },
    async (request, reply) => {
      const read = () => findConnection(db, request.params.connection);
      if (request.query.wait === undefined) return showConnection(requireFound(await read()), issuerUrl);
      const left = new AbortController();
      reply.raw.on('close', () => left.abort());
      const row = await waitUntilActive(read, {
        ...{ clock, timeoutMs: (request.query.timeout_seconds ?? 20) * 1000, pollMs: deps.pollMs ?? 500 },
        signal: AbortSignal.any([left.signal, closing.signal]),
      });
      return showConnection(requireFound(row), issuerUrl);
    },
  );

  app.patch(
    '/v1/connections/:connection',
    {
      preHandler: requireScopes('connections:write'),
      schema: {
        ...{ operationId: 'updateConnection', summary: 'Change settings; pause or resume', tags },
        ...{ params: ConnectionParams, body: ConnectionChange, response: { 200: ConnectionSchema } },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const row = await act(caller, (trx) =>
        changeConnection(trx, caller, params.connection, body, assertLabelsUnambiguous),
      );
      deps.wake?.();
      return showConnection(row, issuerUrl);
    },
  );

  app.delete(
    '/v1/connections/:connection',
    {
      preHandler: requireScopes('connections:write'),
      schema: {
        ...{ operationId: 'disconnectConnection', summary: 'Disconnect for good; answers the tombstone', tags },
        ...{ params: ConnectionParams, response: { 200: ConnectionSchema } },
      },
    },
    async (request) => {
      const row = await act(request.caller, (trx) => disconnect(trx, request.params.connection, rings));
      await look(deps.changed?.());
      return showConnection(row, issuerUrl);
    },
  );
}

/** A workload may list what it may use, without any scope; nobody else has anything to list without the scope. */
const requireListable: ReturnType<typeof requireScopes> = async function (request, reply) {
  if (request.caller.kind === 'workload') return;
  await requireScopes('connections:read').call(this, request, reply);
};

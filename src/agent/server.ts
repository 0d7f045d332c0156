// The container credentials endpoint on this machine: a known Host and the bearer, then a session of the connection in the path.
import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import type { Static } from 'typebox';
import { Params, Query } from '../credentials/schema.ts';
import { Problem } from '../errors.ts';
import { closeAsTheyIdle } from '../http/closing.ts';
import { sendProblem } from '../http/problems.ts';
import { createServer } from '../http/server.ts';
import { createIsBearer } from './bearer.ts';
import { Refusal, refusalDocument } from './refusal.ts';
import { keyOf, type Sessions, type Wanted } from './sessions.ts';

export interface AgentServerOptions {
  host: string;
  /** 0 for a free one. */
  port: number;
  bearer: string;
  sessions: Pick<Sessions, 'obtain'>;
  /** Where set, nothing else is given. */
  only?: Wanted | undefined;
  log: FastifyBaseLogger;
}

export interface AgentServer {
  /** Without a trailing slash. */
  url: string;
  port: number;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]'];

/** An address as it stands in a URL. */
const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** What clients say as Host (RFC 9110, section 7.2): the port is left out where it is the scheme's own. */
export function hostsAt(host: string, port: number): string[] {
  const names = [...LOOPBACK_NAMES, inUrl(host)].map((name) => name.toLowerCase());
  return names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
}

/** @throws the system's error where it cannot listen */
export async function listenAsAgent({
  host,
  port,
  bearer,
  sessions,
  only,
  log,
}: AgentServerOptions): Promise<AgentServer> {
  const hosts = new Set<string>();
  const isBearer = createIsBearer(bearer);
  const server = createServer({
    hosts,
    hostHint: 'Ask by the address that the agent said when it started.',
    logger: log,
  });

  closeAsTheyIdle(server);
  server.get('/livez', { config: { anyHost: true }, logLevel: 'silent' }, async (_request, reply) => {
    reply.header('cache-control', 'no-store');
    return { status: 'live' };
  });

  void server.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store');
      if (!isBearer(request.headers.authorization))
        throw new Problem('unauthenticated', "The request does not show this agent's bearer.", {
          hint: 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE must name the file that the agent wrote when it started; the bearer is a new one at each start.',
        });
    });
    scope.setErrorHandler((error, request, reply) => {
      if (!(error instanceof Refusal)) return sendProblem(error, request, reply);
      const { retryAfter } = error;
      if (retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(retryAfter)));
      return reply
        .code(error.status)
        .type('application/problem+json')
        .serializer((body: unknown) => JSON.stringify(body))
        .send(refusalDocument(error, request.id));
    });
    scope.get(
      '/v1/connections/:connection/credentials',
      { config: { awsErrors: true, ownDeadlines: true }, schema: { params: Params, querystring: Query } },
      async (request, reply) => {
        const { connection } = request.params as Static<typeof Params>;
        const { purpose, duration_seconds: durationSeconds } = request.query as Static<typeof Query>;
        const wanted = { connection, purpose, durationSeconds };
        if (only && keyOf(wanted) !== keyOf(only))
          throw new Problem(
            'not_found',
            'This agent gives the session that its command was started with, and no other.',
            {
              hint: 'Ask for exactly what AWS_CONTAINER_CREDENTIALS_FULL_URI says. Another session is that of another countersign exec.',
            },
          );
        const left = new AbortController();
        reply.raw.once('close', () => left.abort());
        return await sessions.obtain(wanted, left.signal);
      },
    );
  });

  await server.listen({ host, port, listenTextResolver: (address) => `agent listening at ${address}` });
  const bound = (server.server.address() as AddressInfo).port;
  for (const name of hostsAt(host, bound)) hosts.add(name);
  return { url: `http://${inUrl(host)}:${bound}`, port: bound, close: async () => await server.close() };
}

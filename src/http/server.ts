// A Fastify instance as strict as every listener needs it: hosts, headers, JSON, validation, errors as problems.
import type { RequestListener } from 'node:http';
import type {} from '@fastify/swagger';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import { unavailable } from '../errors.ts';
import { createRequestId } from '../ids.ts';
import { parseStrictJson } from '../json.ts';
import { compileLate } from './compilers.ts';
import { refuseDuplicateHeaders, refuseForeignHosts } from './headers.ts';
import { createNodeServer, type NodeServerOptions } from './node-server.ts';
import { type CountProblem, sendProblem } from './problems.ts';
import type { Tracer } from '../trace.ts';
import { traceRequests } from './traced.ts';
import { refuseBytes, refusePath } from './unreadable.ts';

export interface ServerOptions extends NodeServerOptions {
  /** Host header values served here, lower case, with the port where it is not the scheme's own. */
  hosts: ReadonlySet<string>;
  /** What to do about another Host; of the service's own listeners unless given. */
  hostHint?: string | undefined;
  logger: FastifyBaseLogger;
  /** Whether an address, with or without a port, is of a proxy whose X-Forwarded-* are believed; none unless given. */
  trustProxy?: ((address: string) => boolean) | undefined;
  /** Why only routes that answer alone are served now; undefined when all are. */
  closedBecause?: (() => string | undefined) | undefined;
  /** Where the spans of requests go, if anywhere. */
  tracer?: Tracer | undefined;
  /** Told of every problem that is answered. */
  countProblem?: CountProblem | undefined;
}

export const BODY_LIMIT = 16 * 1024;
const HANDLER_TIMEOUT_MS = 40_000;

const NO_QUERY = { type: 'object', properties: {}, additionalProperties: false } as const;

export function createServer(options: ServerOptions): FastifyInstance {
  const server = Fastify({
    loggerInstance: options.logger,
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: 'idle',
    // What arrives on an open connection while the listener closes is answered, and that connection closed after it.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => createRequestId(),
    trustProxy: options.trustProxy ?? false,
    frameworkErrors: refusePath,
    clientErrorHandler: refuseBytes,
    serverFactory: (listener: RequestListener) => createNodeServer(listener, options),
  } as FastifyServerOptions) as FastifyInstance;

  server.decorate('countProblem', options.countProblem);

  compileLate(server);
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : parseStrictJson(body as string));
    } catch (error) {
      done(error as Error);
    }
  });

  server.addHook('onRoute', (route) => {
    if (!route.config?.ownDeadlines) route.handlerTimeout ??= HANDLER_TIMEOUT_MS;
    // A route of the API that takes no query takes none: what is not known is refused, not passed over.
    if (route.url.startsWith('/v1/') && route.schema) route.schema.querystring ??= NO_QUERY;
  });
  traceRequests(server, options.tracer);
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    refuseDuplicateHeaders(request);
    refuseForeignHosts(request, options.hosts, options.hostHint);
    const closed = options.closedBecause?.();
    if (closed !== undefined && !request.routeOptions.config?.answersAlone)
      return done(unavailable(`This process serves documents alone: ${closed}.`));
    done();
  });
  server.setErrorHandler(sendProblem);
  server.setNotFoundHandler((request, reply) =>
    sendProblem(Object.assign(new Error(), { statusCode: 404 }), request, reply),
  );
  return server;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whatever the route awaits has a deadline of its own: it goes without a timer and an AbortController a request. */
    ownDeadlines?: boolean;
    /** Served from memory, also before the database has answered. */
    answersAlone?: boolean;
  }
}

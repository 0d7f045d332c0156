// Each request's place in its caller's trace: taken from traceparent, told in traceresponse, a span where spans are exported.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  createChild,
  formatTraceparent,
  parseTraceparent,
  runInTrace,
  type Span,
  type TraceContext,
  type Tracer,
} from '../trace.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Its place in a trace; undefined where the caller sent none and nothing is exported. */
    trace?: TraceContext | undefined;
    span?: Span | undefined;
    /** Of the problem that was answered. */
    problemCode?: string | undefined;
  }
}

const CONNECTION = /^cn_[a-z2-7]{26}$/;

/** Who and what, by ids of ours: never the path as it came, a query, a header or a name. */
function describeAnswer(request: FastifyRequest, reply: FastifyReply) {
  const { connection } = (request.params ?? {}) as { connection?: unknown };
  return {
    'http.request.method': request.method,
    'http.route': request.routeOptions.url,
    'http.response.status_code': reply.raw.statusCode,
    'countersign.request_id': request.id,
    'countersign.actor': request.caller?.id ?? request.token?.subject,
    'countersign.connection': typeof connection === 'string' && CONNECTION.test(connection) ? connection : undefined,
    'countersign.code': request.problemCode,
  };
}

/** Before every other hook, so that what they refuse has its place as well. */
export function traceRequests(server: FastifyInstance, tracer: Tracer | undefined): void {
  server.decorateRequest('trace', undefined);
  server.decorateRequest('span', undefined);
  server.decorateRequest('problemCode', undefined);

  server.addHook('onRequest', (request, reply, done) => {
    // Documents, probes and metrics have none: there are too many, and nothing happens in them.
    if (request.routeOptions.config.answersAlone) return done();
    const parent = parseTraceparent(request.headers.traceparent);
    if (!parent && !tracer) return done();
    request.span = tracer?.start(request.routeOptions.url ?? 'no route', { kind: 'server', parent });
    request.trace = request.span?.context ?? (parent && createChild(parent));
    if (!request.trace) return done();
    // On the raw answer: a reply that is taken over loses its own headers.
    reply.raw.setHeader('traceresponse', formatTraceparent(request.trace));
    runInTrace(request.trace, done);
  });

  // A body arrives in events of the socket, which know nothing of the request.
  server.addHook('preValidation', (request, _reply, done) => {
    if (request.trace) runInTrace(request.trace, done);
    else done();
  });

  if (!tracer) return;
  server.addHook('onResponse', (request, reply, done) => {
    request.span?.end(describeAnswer(request, reply), reply.raw.statusCode >= 500);
    done();
  });
}

// Errors as application/problem+json (RFC 9457); what is unknown says nothing to the caller.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { isDatabaseAway } from '../db/away.ts';
import { type Code, Problem, STATUS } from '../errors.ts';
import { JsonError } from '../json.ts';

export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  hint?: string;
  request_id: string;
  /** Of AWS STS, where it answered. */
  sts_request_id?: string;
  [member: string]: unknown;
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

const byStatus: Partial<Record<number, [Code, string, string]>> = {
  404: [
    'not_found',
    'There is nothing at this path for this method.',
    'See openapi.yaml for the paths. Of the command, look at COUNTERSIGN_URL: it is the internal URL of the service.',
  ],
  413: ['payload_too_large', 'The body is larger than 16 kB.', 'Send less.'],
  415: ['unsupported_media_type', 'This content type is not accepted here.', 'Send application/json.'],
};

/** Any thrown value as the Problem that its caller may see. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof JsonError) {
    const detail = `The body is ${error.message}.`.replace('is JSON', 'has JSON that');
    return new Problem('invalid_json', detail, { hint: 'Send one JSON value (RFC 8259), each member once.' });
  }
  const fastify = error as FastifyError;
  if (fastify.validation) {
    const first = fastify.validation[0];
    const where = `${fastify.validationContext ?? 'body'}${first?.instancePath ?? ''}`.replaceAll('/', '.');
    const extra = first?.params as { additionalProperty?: string; allowedValues?: unknown[] } | undefined;
    const what = extra?.additionalProperty
      ? `unknown member "${extra.additionalProperty.slice(0, 64)}"`
      : (first?.message ?? 'not valid');
    const allowed = extra?.allowedValues ? ` (${extra.allowedValues.join(', ')})` : '';
    return new Problem('invalid_request', `${where}: ${what}${allowed}.`, { hint: 'Compare it with openapi.yaml.' });
  }
  const known = byStatus[fastify.statusCode ?? 0];
  if (known) return new Problem(known[0], known[1], { hint: known[2] });
  if ((fastify.statusCode ?? 500) < 500)
    return new Problem('invalid_request', 'The request could not be read.', { hint: 'Check its body and headers.' });
  if (isDatabaseAway(error)) {
    return new Problem('unavailable', 'The database does not answer.', {
      retryAfter: 1,
      hint: 'Try again in a moment.',
      cause: error,
    });
  }
  return new Problem('internal', 'Something went wrong on our side.', {
    hint: 'Tell the operators the request id; their log has the rest.',
    cause: error,
  });
}

export type CountProblem = (problem: Problem, request: FastifyRequest) => void;

export function problemDocument(problem: Problem, requestId: string): ProblemDocument {
  return {
    type: `urn:countersign:problem:${problem.code}`,
    title: TITLES[problem.status] ?? 'Error',
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    ...(problem.options.hint === undefined ? {} : { hint: problem.options.hint }),
    request_id: requestId,
    ...problem.options.extra,
  };
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error);
  request.problemCode = problem.code;
  request.server.countProblem?.(problem, request);
  if (problem.status >= 500) {
    const level = problem.code === 'internal' ? 'error' : 'warn';
    request.log[level]({ err: problem.options.cause ?? problem, code: problem.code }, 'request failed');
  }
  if (problem.options.retryAfter !== undefined) reply.header('retry-after', String(problem.options.retryAfter));
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  // A refusal is nobody's to cache.
  reply.header('cache-control', 'no-store');
  const document = problemDocument(problem, request.id);
  // Serialized here: a route's response schema must not drop what a problem says.
  return reply
    .code(STATUS[problem.code])
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(
      request.routeOptions.config.awsErrors
        ? { ...document, Code: document.code, Message: awsMessage(document) }
        : document,
    );
}

/** The AWS SDKs show `Message` to people, so what to do goes with it, and whatever support is asked about. */
export function awsMessage(
  document: Pick<ProblemDocument, 'detail' | 'hint' | 'request_id' | 'sts_request_id'>,
): string {
  const { detail, hint, request_id, sts_request_id } = document;
  const request = typeof sts_request_id === 'string' ? `${request_id}, AWS request ${sts_request_id}` : request_id;
  return [detail, hint, `(request ${request})`].filter(Boolean).join(' ');
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Told of every problem that is answered. */
    countProblem?: CountProblem | undefined;
  }
  interface FastifyContextConfig {
    /** Adds `Code` and `Message`, as SDKs read them from a container credentials endpoint. */
    awsErrors?: boolean;
  }
}

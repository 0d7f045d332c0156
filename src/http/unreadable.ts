// Requests that no route ever sees, a path that is no URL or bytes that are not HTTP: refused in the same words as the rest.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../errors.ts';
import { createRequestId } from '../ids.ts';
import { problemDocument, sendProblem } from './problems.ts';

/** The framework would answer by itself, name itself, and repeat the path. */
export function refusePath(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = new Problem(
    'invalid_request',
    'The path is not percent-encoded as a URL is, or a part of it is too long.',
    {
      hint: 'See openapi.yaml for the paths.',
    },
  );
  void sendProblem(
    problem,
    request,
    reply.header('x-content-type-options', 'nosniff').header('x-request-id', request.id),
  );
}

function toProblem(code: string | undefined): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem('request_timeout', 'The request did not arrive in time.', { hint: 'Send it at once.' });
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Problem('headers_too_large', 'The headers are larger than 8 kB.', {
      hint: 'Send fewer, or shorter ones.',
    });
  return new Problem('invalid_request', 'This is not a request of HTTP/1.1.', {
    hint: 'Send one (RFC 9112), with each header on a line of its own.',
  });
}

/** Node could not parse what came: there is no request to answer, only a socket. */
export function refuseBytes(error: Error & { code?: string }, socket: Socket): void {
  // Where TLS was not agreed on there is nobody who could read it.
  if (socket.writable && error.code !== 'ECONNRESET' && !/^ERR_(SSL|TLS)_/.test(error.code ?? '')) {
    const problem = toProblem(error.code);
    const id = createRequestId();
    const body = JSON.stringify(problemDocument(problem, id));
    const head = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      ...[
        `X-Request-Id: ${id}`,
        'Content-Type: application/problem+json',
        `Content-Length: ${Buffer.byteLength(body)}`,
      ],
      ...['Cache-Control: no-store', 'X-Content-Type-Options: nosniff', 'Connection: close'],
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}

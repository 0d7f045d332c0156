// The plain request for a document, answered before the framework looks at it; whatever is not plain takes the long way.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { createRequestId } from '../ids.ts';
import { findDuplicateHeader } from '../http/headers.ts';
import type { Rendered } from './rendered.ts';

export interface PlainRequestDeps {
  /** Host header values served here, lower case. */
  hosts: ReadonlySet<string>;
  /** The document at a path, where memory holds it and it may be served now. */
  find(path: string): { document: Rendered; maxAge: number } | undefined;
}

/** Exactly what the routes answer: a known Host, no header twice, no body, nothing conditional. */
function isPlain({ method, headers, rawHeaders }: IncomingMessage, hosts: ReadonlySet<string>): boolean {
  if (method !== 'GET' || headers.host === undefined || !hosts.has(headers.host.toLowerCase())) return false;
  if (headers['if-none-match'] !== undefined || headers['content-length'] !== undefined) return false;
  return (
    headers['transfer-encoding'] === undefined && headers.upgrade === undefined && !findDuplicateHeader(rawHeaders)
  );
}

/** Written once for as long as the policy stays: a text made for each answer is put together for each. */
function createCacheControl(): (maxAge: number) => string {
  let last: { maxAge: number; text: string } | undefined;
  return (maxAge) => {
    if (last?.maxAge !== maxAge) last = { maxAge, text: `public, max-age=${maxAge}` };
    return last.text;
  };
}

/** Puts itself in front of the server's own listener, which gets every request that it does not answer. */
export function answerPlainRequests(server: FastifyInstance, { hosts, find }: PlainRequestDeps): void {
  const [handle] = server.server.listeners('request') as [(request: IncomingMessage, response: ServerResponse) => void];
  const cacheFor = createCacheControl();
  let closing = false;
  server.addHook('preClose', async () => {
    closing = true;
  });
  server.server.removeListener('request', handle);
  server.server.on('request', (request, response) => {
    const found = closing ? undefined : find(request.url as string);
    if (!found || !isPlain(request, hosts)) return handle(request, response);
    const { document, maxAge } = found;
    response.writeHead(200, [
      'x-request-id',
      createRequestId(),
      'x-content-type-options',
      'nosniff',
      'cache-control',
      cacheFor(maxAge),
      'etag',
      document.etag,
      'access-control-allow-origin',
      '*',
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      document.length,
    ]);
    // Its characters are ASCII, as an issuer's URL and base64url are; so written, none is looked at again.
    response.end(document.body, 'latin1');
  });
}

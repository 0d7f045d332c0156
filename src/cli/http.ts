// One HTTP request with a deadline, to a URL or over a Unix socket; what goes wrong on the way becomes a Failure.
import { request as nodeRequest } from 'node:http';
import { fetchBounded, readBounded } from './bounded.ts';
import { EXIT, Failure, usage } from './failure.ts';

export interface Request {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** Milliseconds for the whole of it. */
  deadline?: number;
}

export interface Answer {
  status: number;
  contentType: string;
  requestId: string | undefined;
  /** The Date header. */
  date: string | undefined;
  /** The Retry-After header, where it has seconds. */
  retryAfter: number | undefined;
  text: string;
}

export const DEADLINE = 30_000;

/** A URL's `hostname` that is this machine. */
export const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether what is sent there is read by nobody on the way: https, or http to this machine. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}

/** A base URL as people type it, without its trailing slash. Tokens travel on it: https, or http to this machine. */
export function baseUrl(text: string, name: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw usage(
      `${name} is not an http(s) URL.`,
      'It is the internal URL of the service, such as https://countersign.internal.example.com.',
    );
  if (url.username || url.password || url.search || url.hash)
    throw usage(`${name} must have no user, query or fragment.`);
  if (!isConfidential(url))
    throw usage(`${name} is http, and would send tokens in the clear.`, 'Use https; http is for loopback alone.');
  return url.href.replace(/\/+$/, '');
}

const readSeconds = (text: string | null | undefined): number | undefined =>
  /^\d{1,9}$/.test(text ?? '') ? Number(text) : undefined;

export async function send({ method, url, headers = {}, body, deadline = DEADLINE }: Request): Promise<Answer> {
  try {
    // A redirect is never followed: it would carry the token elsewhere.
    const response = await fetchBounded(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(deadline),
      ...(body === undefined ? {} : { body }),
    });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      requestId: response.headers.get('x-request-id') ?? undefined,
      date: response.headers.get('date') ?? undefined,
      retryAfter: readSeconds(response.headers.get('retry-after')),
      text: await response.text(),
    };
  } catch (error) {
    throw unreachable(new URL(url).origin, 'Is the service running there? Check COUNTERSIGN_URL.', error, deadline);
  }
}

/** The same over a Unix domain socket; `url` is its path part. */
export function sendToSocket(
  socketPath: string,
  { method, url, headers = {}, body, deadline = DEADLINE }: Request,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = nodeRequest({
      socketPath,
      path: url,
      method,
      headers: { host: 'localhost', ...headers },
      signal: AbortSignal.timeout(deadline),
    });
    const fail = (error: unknown): void => reject(unreachable(socketPath, SOCKET_HINT, error, deadline));
    request.on('error', fail);
    request.on('response', (response) => {
      const header = (name: string): string | undefined => response.headers[name] as string | undefined;
      readBounded(response, socketPath).then(
        (read) =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: header('content-type') ?? '',
            requestId: header('x-request-id'),
            date: header('date'),
            retryAfter: readSeconds(header('retry-after')),
            text: read.toString('utf8'),
          }),
        fail,
      );
    });
    request.end(body);
  });
}

/** Whether nothing is known of what became of a request: it may have been done. */
export function isLost(error: unknown): boolean {
  return error instanceof Failure && error.code === 'connection_lost';
}

const LOST = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

const SOCKET_HINT =
  'Is the service running on this host? This must be its user, and DATA_DIR or SOCKET_PATH as it has them.';

/** A Failure for what kept a request from being answered: the one that was thrown, if one was. @param deadline milliseconds */
export function unreachable(where: string, hint: string, error: unknown, deadline: number): Failure {
  if (error instanceof Failure) return error;
  const chain = error instanceof Error ? [error, error.cause] : [];
  const code = chain
    .map((link) => (link as { code?: unknown } | undefined)?.code)
    .find((value) => typeof value === 'string') as string | undefined;
  const timedOut = chain.some(
    (link) => link instanceof Error && (link.name === 'TimeoutError' || link.name === 'AbortError'),
  );
  const failure = (name: string, detail: string, hint: string): Failure =>
    new Failure(name, detail, { exit: EXIT.unreachable, hint, cause: error });
  if (timedOut)
    return failure(
      'deadline',
      `${where} did not answer within ${deadline / 1000} s.`,
      'It may have been done all the same: look before you try again.',
    );
  if (code !== undefined && LOST.has(code))
    return failure(
      'connection_lost',
      `${where} closed the connection without an answer.`,
      'It may have been done all the same: look before you try again.',
    );
  // It is renewed by whoever serves it, and this machine's clock is set: unlike what follows, that may pass by itself.
  if (code !== undefined && /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    return failure(
      'tls_out_of_term',
      `The TLS certificate of ${where} is not valid now (${code}).`,
      'Renew it there, and look at the clock of this machine.',
    );
  }
  if (code !== undefined && /CERT|SIGNATURE|TLS|SSL/.test(code)) {
    return failure(
      'tls_failed',
      `The TLS certificate of ${where} was not accepted (${code}).`,
      'Give your private CA to Node: NODE_EXTRA_CA_CERTS=FILE.',
    );
  }
  return failure('unreachable', `${where} cannot be reached${code === undefined ? '' : ` (${code})`}.`, hint);
}

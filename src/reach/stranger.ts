// One GET as a stranger makes it: a connection of its own, public roots alone, no redirect, no proxy, a deadline.
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { rootCertificates, type TLSSocket } from 'node:tls';
import type { Term } from './renewal.ts';

/** Where AWS gives up. */
export const DEADLINE_MS = 5_000;
const MAX_BODY = 256 * 1024;

export interface Answer {
  status: number;
  contentType: string | undefined;
  location: string | undefined;
  /** Undefined where it was larger than we read. */
  body: string | undefined;
  /** The certificate's term; undefined without TLS. */
  certificate: Term | undefined;
}

/** @throws Error with a `code` of the system, of TLS or of the parser; `ABORT_ERR` at the deadline. */
export type Ask = (url: URL) => Promise<Answer>;

export interface Manner {
  deadlineMs?: number;
  /** Bytes of a body that are read at most. */
  maxBody?: number;
  /** Where a name leads, asked once for each connection; the system's answer unless given. */
  lookup?: LookupFunction;
}

/** @param trust PEM of the roots to trust; the public ones unless given, whatever the environment adds */
export function createAsk(trust: readonly string[] = rootCertificates, manner: Manner = {}): Ask {
  const { deadlineMs = DEADLINE_MS, maxBody = MAX_BODY, lookup } = manner;
  return (url) =>
    new Promise((resolve, reject) => {
      const secure = url.protocol === 'https:';
      const options: RequestOptions = {
        agent: false,
        headers: { accept: 'application/json', 'user-agent': 'countersign-reach' },
        signal: AbortSignal.timeout(deadlineMs),
        ...(lookup ? { lookup } : {}),
        ...(secure ? { ca: [...trust], rejectUnauthorized: true } : {}),
      };
      function finisher(answer: IncomingMessage): (body: string | undefined) => void {
        const shown = secure ? (answer.socket as TLSSocket).getPeerCertificate() : undefined;
        return (body) =>
          resolve({
            status: answer.statusCode ?? 0,
            contentType: answer.headers['content-type'],
            location: answer.headers.location,
            body,
            certificate: shown?.valid_to
              ? { from: Date.parse(shown.valid_from), until: Date.parse(shown.valid_to) }
              : undefined,
          });
      }
      const sent = (secure ? requestHttps : requestHttp)(url, options, (answer) => {
        const finish = finisher(answer);
        const chunks: Buffer[] = [];
        let length = 0;
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length <= maxBody) return void chunks.push(chunk);
          finish(undefined);
          sent.destroy();
        });
        answer.on('end', () => finish(Buffer.concat(chunks).toString('utf8')));
        answer.on('error', reject);
      });
      // A 101 is no response to Node: without this it would neither answer nor fail, deadline or not.
      sent.on('upgrade', (answer, socket) => {
        finisher(answer)(undefined);
        socket.destroy();
      });
      sent.on('error', reject);
      sent.end();
    });
}

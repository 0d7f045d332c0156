// One HTTP request as AWS's front door sees it: method, path, headers as sent, and the whole body.
import type { IncomingMessage } from 'node:http';
import { AwsError } from './error.ts';

export interface WireRequest {
  method: string;
  path: string;
  /** Raw query string, without `?`. */
  query: string;
  /** By lower-case name, every value in the order sent. */
  headers: ReadonlyMap<string, readonly string[]>;
  body: Buffer;
  sourceIp: string;
}

/** A web identity token of 20 000 characters, or a template of 51 200 bytes, each percent-encoded, fits. */
const MAX_BODY_BYTES = 1024 * 1024;

/** @throws AwsError RequestEntityTooLarge */
export async function readRequest(message: IncomingMessage): Promise<WireRequest> {
  const headers = new Map<string, string[]>();
  for (let at = 0; at < message.rawHeaders.length; at += 2) {
    const name = (message.rawHeaders[at] as string).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), message.rawHeaders[at + 1] as string]);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new AwsError('RequestEntityTooLarge', 'The request body is too large', 413);
    chunks.push(chunk);
  }
  const [path = '/', ...query] = (message.url ?? '/').split('?');
  return {
    method: message.method ?? 'GET',
    path,
    query: query.join('?'),
    headers,
    body: Buffer.concat(chunks),
    sourceIp: message.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '127.0.0.1',
  };
}

export function headerOf(request: WireRequest, name: string): string | undefined {
  return request.headers.get(name)?.[0];
}

// One GET of a JSON document from an issuer, the way AWS makes it: no redirect, no second try, a hard deadline.
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isLoopback } from '../loopback.ts';

export interface FetchedDocument {
  value: unknown;
  cacheControl: string;
}

const MAX_BYTES = 1024 * 1024;

/**
 * @param url https, or http to loopback: the sandbox's only leniency
 * @param signal aborts at the deadline, answered or not
 * @throws Error that says what went wrong, for the sandbox's own log
 */
export function fetchDocument(url: URL, signal: AbortSignal): Promise<FetchedDocument> {
  const secure = url.protocol === 'https:';
  if (!secure && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return Promise.reject(new Error(`${url.href} is neither https nor loopback`));
  }
  return new Promise((resolve, reject) => {
    const request = (secure ? requestHttps : requestHttp)(url, {
      signal,
      agent: false,
      headers: { accept: 'application/json' },
    });
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.once('error', reject);
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > MAX_BYTES) request.destroy(new Error(`${url.href} answers more than ${MAX_BYTES} bytes`));
      });
      response.once('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url.href} answers ${response.statusCode}`));
        try {
          resolve({
            value: JSON.parse(Buffer.concat(chunks).toString('utf8')),
            cacheControl: String(response.headers['cache-control'] ?? '').toLowerCase(),
          });
        } catch {
          reject(new Error(`${url.href} does not answer JSON`));
        }
      });
    });
    request.end();
  });
}

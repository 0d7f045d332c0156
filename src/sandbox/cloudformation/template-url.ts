// Reads a template from a URL on loopback, which stands in for an S3 object.
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { validationError } from '../wire/error.ts';

const MAX_BYTES = 1024 * 1024;
const DEADLINE_MS = 5000;

/** @throws AwsError ValidationError */
export function fetchTemplate(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => reject(validationError(message));
    const options = { agent: false, signal: AbortSignal.timeout(DEADLINE_MS) };
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options);
    const failRead = (): void => fail('S3 error: The specified template could not be read.');
    request.once('error', failRead);
    request.once('response', (response) => {
      // One that ends within its body, or at the deadline.
      response.once('error', failRead);
      if (response.statusCode !== 200) {
        response.resume();
        return fail(
          response.statusCode === 404 ? 'S3 error: The specified key does not exist.' : 'S3 error: Access Denied',
        );
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > MAX_BYTES) {
          fail(`Template may not exceed ${MAX_BYTES} bytes in size.`);
          request.destroy();
        }
      });
      response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    });
    request.end();
  });
}

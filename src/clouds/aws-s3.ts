// The one door to S3: objects written over what is known to stand there, or not at all.
import { createHash } from 'node:crypto';
import { Agent as HttpsAgent } from 'node:https';
import { Agent as HttpAgent } from 'node:http';
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { toBucketError } from './aws-s3-errors.ts';

export interface Bucket {
  /** The ETag of an object; undefined where there is none. @throws BucketError */
  head(key: string): Promise<string | undefined>;
  /**
   * Writes an object over the one with this ETag, or where there is none.
   * @returns its ETag. @throws BucketConflict where something else stands there; BucketError
   */
  put(key: string, object: { body: string; cacheControl: string }, over: string | undefined): Promise<string>;
  close(): void;
}

export interface BucketOptions {
  bucket: string;
  /** In place of AWS: another store that speaks S3, with the bucket in the path. */
  endpointUrl?: string | undefined;
  /** Of one request and its retries, milliseconds; 30 000 unless given. */
  timeoutMs?: number | undefined;
}

const MAX_ATTEMPTS = 4;

/** Region and credentials are the environment's: a role, a profile, variables. */
export function createBucket({ bucket, endpointUrl, timeoutMs = 30_000 }: BucketOptions): Bucket {
  const agent = { keepAlive: true, maxSockets: 64 };
  const requestHandler = new NodeHttpHandler({
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent({ ...agent, rejectUnauthorized: true, minVersion: 'TLSv1.2' }),
    connectionTimeout: Math.min(3000, timeoutMs),
    requestTimeout: Math.min(10_000, timeoutMs),
    throwOnRequestTimeout: true,
  });
  const client = new S3Client({
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl, forcePathStyle: true }),
    ...{ requestHandler, maxAttempts: MAX_ATTEMPTS, followRegionRedirects: false, userAgentAppId: 'countersign' },
    // A checksum of our own goes with each object.
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
  });

  async function call<T>(what: string, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await send(AbortSignal.timeout(timeoutMs));
    } catch (error) {
      throw toBucketError(error, bucket, what);
    }
  }

  return {
    head: (key) =>
      call(`read s3://${bucket}/${key}`, async (abortSignal) => {
        const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
        try {
          return (await client.send(command, { abortSignal })).ETag;
        } catch (error) {
          // An answer to HEAD has no body that could tell a missing bucket apart: the next write does.
          if ((error as Error).name === 'NotFound') return undefined;
          throw error;
        }
      }),

    put: (key, { body, cacheControl }, over) =>
      call(`write s3://${bucket}/${key}`, async (abortSignal) => {
        const command = new PutObjectCommand({
          ...{ Bucket: bucket, Key: key, Body: body },
          ...{ ContentType: 'application/json', CacheControl: cacheControl },
          ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
          // What stands there is replaced by whoever knows it, and by nobody who was asleep meanwhile.
          ...(over === undefined ? { IfNoneMatch: '*' } : { IfMatch: over }),
        });
        const { ETag: tag } = await client.send(command, { abortSignal });
        if (tag === undefined) throw Object.assign(new Error('no ETag'), { name: 'NoETag' });
        return tag;
      }),

    close: () => client.destroy(),
  };
}

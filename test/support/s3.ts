// A stand-in for S3, as strict as a publisher may expect it: conditions, checksums, whole bodies, and refusals on demand.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface StoredObject {
  body: string;
  etag: string;
  contentType: string;
  cacheControl: string;
}

/** In place of an answer: an error by S3's name, a connection cut before or after the write, or no answer at all. */
export type Fault = { status: number; code: string } | 'cut' | 'cut_after' | 'silent';

export interface TestS3 {
  url: string;
  /** By `bucket/key`. */
  objects: Map<string, StoredObject>;
  /** `METHOD bucket/key`, in order. */
  requests: string[];
  /** What goes wrong with a request from now on; undefined lets it through. A promise holds it up. */
  fault: (method: string, key: string) => Fault | undefined | Promise<Fault | undefined>;
  /** Whether it looks at If-Match and If-None-Match. */
  conditional: boolean;
}

const REGION = 'eu-central-1';
/** What this process's AWS libraries find; the stand-in takes nothing else. */
export const S3_ENV = {
  AWS_REGION: REGION,
  AWS_ACCESS_KEY_ID: 'AKIATEST',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  const body = Buffer.concat(chunks);
  return body.length === Number(request.headers['content-length']) ? body : undefined;
}

const sha256 = (body: Buffer, encoding: 'hex' | 'base64'): string => createHash('sha256').update(body).digest(encoding);

/** What is wrong with a request to write, whatever stands there. */
function findWriteFault({ headers }: IncomingMessage, body: Buffer): Exclude<Fault, string> | undefined {
  const bad = (code: string, status = 400) => ({ status, code });
  if (headers['x-amz-acl'] !== undefined) return bad('AccessControlListNotSupported');
  if (headers['x-amz-checksum-sha256'] !== sha256(body, 'base64')) return bad('BadDigest');
  if (headers['content-type'] !== 'application/json') return bad('InvalidRequest');
  if (!/^public, max-age=\d+$/.test(headers['cache-control'] ?? '')) return bad('InvalidRequest');
  return undefined;
}

function findSignatureFault({ headers }: IncomingMessage, body: Buffer): Exclude<Fault, string> | undefined {
  const [, key, region] =
    /^AWS4-HMAC-SHA256 Credential=(\w+)\/\d{8}\/([\w-]+)\/s3\/aws4_request, /.exec(headers.authorization ?? '') ?? [];
  if (key !== S3_ENV.AWS_ACCESS_KEY_ID) return { status: 403, code: 'InvalidAccessKeyId' };
  if (region !== REGION) return { status: 301, code: 'PermanentRedirect' };
  const signed = headers['x-amz-content-sha256'];
  if (signed !== 'UNSIGNED-PAYLOAD' && signed !== sha256(body, 'hex'))
    return { status: 400, code: 'XAmzContentSHA256Mismatch' };
  return undefined;
}

/** @param buckets that are there */
export async function startTestS3(t: Test, buckets: string[] = ['documents']): Promise<TestS3> {
  const objects = new Map<string, StoredObject>();
  const requests: string[] = [];
  const s3: TestS3 = { url: '', objects, requests, fault: () => undefined, conditional: true };

  function write(request: IncomingMessage, name: string, body: Buffer): Exclude<Fault, string> | StoredObject {
    const { headers } = request;
    const wrong = findWriteFault(request, body);
    if (wrong) return wrong;
    const there = objects.get(name);
    if (s3.conditional) {
      if (headers['if-match'] !== undefined && !there) return { status: 404, code: 'NoSuchKey' };
      if (headers['if-match'] !== undefined && headers['if-match'] !== there?.etag)
        return { status: 412, code: 'PreconditionFailed' };
      if (headers['if-none-match'] === '*' && there) return { status: 412, code: 'PreconditionFailed' };
    }
    const object = {
      body: body.toString('latin1'),
      etag: `"${createHash('md5').update(body).digest('hex')}"`,
      contentType: headers['content-type'] as string,
      cacheControl: headers['cache-control'] as string,
    };
    objects.set(name, object);
    return object;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = decodeURIComponent((request.url ?? '').replace(/\?.*$/, '').slice(1));
    const method = request.method ?? '';
    const body = await readBody(request).then((read) => read ?? (method === 'PUT' ? undefined : Buffer.alloc(0)));
    // Half a body is no object.
    if (!body) return;
    requests.push(`${method} ${name}`);
    const refuse = ({ status, code }: Exclude<Fault, string>): void => {
      const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(method === 'HEAD' ? undefined : text);
    };
    const fault = await s3.fault(method, name.slice(name.indexOf('/') + 1));
    if (fault === 'silent') return;
    if (fault === 'cut') return void request.socket.destroy();
    if (fault && fault !== 'cut_after') return refuse(fault);
    const refused = findSignatureFault(request, body);
    if (refused) return refuse(refused);
    if (!buckets.includes(name.split('/')[0] as string)) return refuse({ status: 404, code: 'NoSuchBucket' });
    if (method === 'PUT') {
      const written = write(request, name, body);
      if ('status' in written) return refuse(written);
      if (fault === 'cut_after') return void request.socket.destroy();
      return void response.writeHead(200, { etag: written.etag }).end();
    }
    const there = objects.get(name);
    if (!there) return refuse({ status: 404, code: 'NoSuchKey' });
    if (method === 'DELETE') objects.delete(name);
    response.writeHead(200, {
      ...{ etag: there.etag, 'content-type': there.contentType, 'cache-control': there.cacheControl },
      'content-length': String(there.body.length),
    });
    response.end(method === 'HEAD' ? undefined : there.body);
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  s3.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return s3;
}

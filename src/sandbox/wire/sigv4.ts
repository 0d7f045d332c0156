// Signature Version 4, seen from the server: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AwsError } from './error.ts';
import type { WireRequest } from './request.ts';
import { headerOf } from './request.ts';

export interface Signature {
  accessKeyId: string;
  region: string;
  service: string;
  /** `YYYYMMDDTHHMMSSZ` */
  date: string;
  scope: string;
  signedHeaders: readonly string[];
  signature: string;
  /** Present when the request was made with session credentials. */
  securityToken: string | undefined;
}

const SKEW_MINUTES = 15;

function incomplete(message: string): AwsError {
  return new AwsError('IncompleteSignature', message, 400);
}

function mismatch(message: string): AwsError {
  return new AwsError('SignatureDoesNotMatch', message, 403);
}

/** Reads the Authorization header. @throws AwsError MissingAuthenticationToken, IncompleteSignature */
export function readSignature(request: WireRequest): Signature {
  const header = headerOf(request, 'authorization');
  if (header === undefined) {
    throw new AwsError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
  }
  const [, rest] = /^AWS4-HMAC-SHA256\s+(.+)$/.exec(header) ?? [];
  if (rest === undefined) {
    throw incomplete(`Unsupported AWS 'algorithm': '${header.split(' ')[0]}'.`);
  }
  const fields = new Map(
    rest.split(',').map((field) => {
      const [name = '', ...value] = field.trim().split('=');
      return [name, value.join('=')] as const;
    }),
  );
  const field = (name: string): string => {
    const value = fields.get(name);
    if (!value) throw incomplete(`Authorization header requires '${name}' parameter.`);
    return value;
  };
  const [accessKeyId = '', day = '', region = '', service = '', end, ...more] = field('Credential').split('/');
  if (end !== 'aws4_request' || more.length > 0) {
    throw incomplete('Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term');
  }
  const date = headerOf(request, 'x-amz-date');
  if (date === undefined || !/^\d{8}T\d{6}Z$/.test(date)) {
    throw incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  if (!date.startsWith(day) || day.length !== 8) {
    throw mismatch('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP');
  }
  return {
    accessKeyId,
    region,
    service,
    date,
    scope: `${day}/${region}/${service}/aws4_request`,
    signedHeaders: field('SignedHeaders').split(';'),
    signature: field('Signature'),
    securityToken: headerOf(request, 'x-amz-security-token'),
  };
}

/** RFC 3986, upper-case hex; every reserved character encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonicalQuery(query: string): string {
  if (query === '') return '';
  return query
    .split('&')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [encode(decodeURIComponent(name)), encode(decodeURIComponent(value.join('=')))] as const;
    })
    .sort(([a, b], [c, d]) => (a === c ? (b < d ? -1 : 1) : a < c ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function hmac(key: string | Buffer, content: string): Buffer {
  return createHmac('sha256', key).update(content).digest();
}

function canonicalRequest(request: WireRequest, signedHeaders: readonly string[]): string {
  const headers = signedHeaders.map((name) => {
    const values = request.headers.get(name) ?? [];
    return `${name}:${values.map((value) => value.trim().replace(/ +/g, ' ')).join(',')}\n`;
  });
  const path = request.path.split('/').map(encode).join('/');
  const { method, query, body } = request;
  return [method, path, canonicalQuery(query), headers.join(''), signedHeaders.join(';'), sha256(body)].join('\n');
}

function compactDate(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, '');
}

function checkTime(signature: Signature, now: number): void {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(signature.date) ?? [];
  const signedAt = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  const skew = SKEW_MINUTES * 60_000;
  if (!(signedAt >= now - skew)) {
    const [edge, today] = [compactDate(now - skew), compactDate(now)];
    if (signature.service === 'cloudformation') throw new AwsError('RequestExpired', 'Request has expired.', 400);
    throw mismatch(
      `Signature expired: ${signature.date} is now earlier than ${edge} (${today} - ${SKEW_MINUTES} min.)`,
    );
  }
  if (signedAt > now + skew) {
    const [edge, today] = [compactDate(now + skew), compactDate(now)];
    throw mismatch(
      `Signature not yet current: ${signature.date} is still later than ${edge} (${today} + ${SKEW_MINUTES} min.)`,
    );
  }
}

/**
 * @param now milliseconds since the epoch
 * @throws AwsError SignatureDoesNotMatch, or RequestExpired for CloudFormation
 */
export function verifySignature(request: WireRequest, signature: Signature, secret: string, now: number): void {
  checkTime(signature, now);
  const { signedHeaders } = signature;
  const mustSign = ['host', ...[...request.headers.keys()].filter((name) => name.startsWith('x-amz-'))];
  const unsigned = mustSign.find((name) => !signedHeaders.includes(name));
  if (unsigned) throw mismatch(`'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`);
  const [day, region, service] = signature.scope.split('/') as [string, string, string];
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secret}`);
  const digest = sha256(canonicalRequest(request, signedHeaders));
  const wanted = hmac(key, ['AWS4-HMAC-SHA256', signature.date, signature.scope, digest].join('\n'));
  const given = Buffer.from(signature.signature, 'hex');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw mismatch(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    );
  }
}

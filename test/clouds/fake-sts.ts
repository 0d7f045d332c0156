// A stand-in for AWS STS that records what arrives and answers what it is told.
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  form: URLSearchParams;
  /** The caller's end of the connection. */
  port: number | undefined;
}

export interface Answer {
  status?: number;
  body?: string;
  /** Milliseconds before the answer; Infinity never answers. */
  afterMs?: number;
  headers?: Record<string, string>;
  reset?: boolean;
  /** Bytes promised beyond those that come. */
  missing?: number;
}

const XMLNS = 'https://sts.amazonaws.com/doc/2011-06-15/';

export const ASSUMED = `<AssumeRoleWithWebIdentityResponse xmlns="${XMLNS}"><AssumeRoleWithWebIdentityResult>
<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/r/s</Arn><AssumedRoleId>AROAEXAMPLEEXAMPLE123:s</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>2026-11-21T05:00:00Z</Expiration></Credentials><PackedPolicySize>25</PackedPolicySize><Audience>sts.amazonaws.com</Audience>
</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`;

export const IDENTITY = `<GetCallerIdentityResponse xmlns="${XMLNS}"><GetCallerIdentityResult>
<Arn>arn:aws:sts::111122223333:assumed-role/r/s</Arn><UserId>AROAEXAMPLEEXAMPLE123:s</UserId><Account>111122223333</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>req-2</RequestId></ResponseMetadata></GetCallerIdentityResponse>`;

export function failure(code: string, message: string): string {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
  return `<ErrorResponse xmlns="${XMLNS}">${error}<RequestId>req-e</RequestId></ErrorResponse>`;
}

function lengthOf({ body = '', missing }: Answer): Record<string, string> {
  return missing === undefined ? {} : { 'content-length': String(body.length + missing) };
}

export interface FakeSts {
  url: string;
  received: Received[];
  /** What each call is answered with; one more call than answers repeats the last. */
  answers: Answer[];
}

export async function startFakeSts(t: Test, answers: Answer[] = [{ body: ASSUMED }]): Promise<FakeSts> {
  const sts: FakeSts = { url: '', received: [], answers };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { method = '', url = '', headers } = request;
    sts.received.push({ method, url, headers, form: new URLSearchParams(text), port: request.socket.remotePort });
    const answer = sts.answers[Math.min(sts.received.length, sts.answers.length) - 1] ?? {};
    if (answer.reset) return request.socket.destroy();
    if (answer.afterMs === Infinity) return;
    setTimeout(() => {
      response.writeHead(answer.status ?? 200, {
        'content-type': 'text/xml',
        'x-amzn-requestid': 'req-h',
        ...lengthOf(answer),
        ...answer.headers,
      });
      if (answer.missing === undefined) return response.end(answer.body ?? '');
      response.write(answer.body ?? '', () => request.socket.destroy());
    }, answer.afterMs ?? 0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  sts.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return sts;
}

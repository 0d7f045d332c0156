// Answers without an end: each way out of the command reads so much of them, and says so.
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { LARGEST_ANSWER } from '../../src/cli/bounded.ts';
import { send, sendToSocket } from '../../src/cli/http.ts';
import { renew, signInByDevice } from '../../src/cli/login/company.ts';
import { cli, listen, temporaryFolder } from './stand-in.ts';

const said = { code: 'answer_too_large', message: /sent more than 16 MiB/, hint: /check the URL/ };

interface Endless {
  url: string;
  /** Bytes that were taken off it. */
  sent: number;
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as { port: number }).port}`;

/** What is not in `documents` is answered with spaces until nobody reads on; a reader without bounds is let off at last. */
async function startEndless(
  t: Test,
  documents: (url: string) => Record<string, object> = () => ({}),
  where?: string,
): Promise<Endless> {
  const endless: Endless = { url: '', sent: 0 };
  const spaces = Buffer.alloc(64 * 1024, ' ');
  const answer: RequestListener = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const document = documents(endless.url)[request.url ?? ''];
    if (document) return void response.end(JSON.stringify(document));
    const pour = (): void => {
      while (!response.destroyed) {
        if (endless.sent > 4 * LARGEST_ANSWER) return void response.end();
        endless.sent += spaces.length;
        if (!response.write(spaces)) return void response.once('drain', pour);
      }
    };
    pour();
  };
  const server = createServer(answer);
  await listen(t, server, where ?? 0);
  if (where === undefined) endless.url = urlOf(server);
  return endless;
}

/** Of what was sent, some stood on the way when the connection was cut. */
const isBounded = (t: Test, { sent }: Endless, name: string): void =>
  void t.ok(sent >= LARGEST_ANSWER && sent < LARGEST_ANSWER * 2, `${name}: ${sent} bytes`);

t.test('of the service, over TCP and over its socket', async (t) => {
  const overTcp = await startEndless(t);
  await t.rejects(send({ method: 'GET', url: `${overTcp.url}/v1/whoami` }), said);
  isBounded(t, overTcp, 'TCP');
  const path = join(temporaryFolder(t), 's.sock');
  const overSocket = await startEndless(t, undefined, path);
  await t.rejects(sendToSocket(path, { method: 'POST', url: '/token' }), said);
  isBounded(t, overSocket, 'socket');
  const whole = await cli(['whoami'], { COUNTERSIGN_URL: overTcp.url, COUNTERSIGN_TOKEN: 'a-token' });
  t.match(whole, { code: 1, stderr: /^error: http:\/\/127.* sent more than 16 MiB.*\[answer_too_large\]\nhint: / });
});

t.test('of the company, at each step of a sign-in', async (t) => {
  const login = { name: 'acme', client_id: 'command', scopes: ['openid'] };
  const discovery = (url: string, more: object): Record<string, object> => ({
    '/.well-known/openid-configuration': {
      ...{ issuer: url, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks`, ...more },
    },
  });
  const tell = (): void => {};
  const never = new AbortController().signal;
  const first = await startEndless(t);
  await t.rejects(signInByDevice({ ...login, issuer: first.url }, { tell, signal: never }), said);
  const second = await startEndless(t, (url) => discovery(url, { device_authorization_endpoint: `${url}/device` }));
  await t.rejects(signInByDevice({ ...login, issuer: second.url }, { tell, signal: never }), said);
  const third = await startEndless(t, (url) => discovery(url, {}));
  const kept = {
    ...{ name: 'acme', url: 'https://x.example', issuer: third.url, client_id: 'command', subject: 'ana' },
  };
  await t.rejects(
    renew({ ...kept, id_token: 'x', expires_at: 0, refresh_token: 'y' }, () => {}),
    said,
  );
  const claims = { iss: '', aud: 'command', sub: 'ana', iat: 1, exp: 9_999_999_999 };
  const idToken = (iss: string): string =>
    [{ alg: 'ES256', kid: 'k' }, { ...claims, iss }, 'x']
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
  const fourth = await startEndless(t, (url) => ({
    ...discovery(url, { id_token_signing_alg_values_supported: ['ES256'] }),
    '/token': { access_token: 'x', token_type: 'Bearer', id_token: idToken(url) },
  }));
  await t.rejects(
    renew({ ...kept, issuer: fourth.url, id_token: 'x', expires_at: 0, refresh_token: 'y' }, () => {}),
    said,
  );
  for (const [n, one] of [first, second, third, fourth].entries()) isBounded(t, one, `step ${n + 1}`);
});

t.test('what is small on the way counts as it is read; and what is within bounds is whole', async (t) => {
  const bomb = gzipSync(Buffer.alloc(LARGEST_ANSWER + 1, ' '));
  const largest = Buffer.alloc(LARGEST_ANSWER, 'x');
  const server = createServer(({ url }, response) => {
    if (url === '/bomb') return void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    response.writeHead(429, { 'retry-after': '7', 'x-request-id': 'rq_x' }).end(url === '/none' ? undefined : largest);
  });
  await listen(t, server, 0);
  await t.rejects(send({ method: 'GET', url: `${urlOf(server)}/bomb` }), said);
  const answer = await send({ method: 'GET', url: `${urlOf(server)}/largest` });
  t.match(answer, { status: 429, retryAfter: 7, requestId: 'rq_x' });
  t.equal(answer.text.length, LARGEST_ANSWER);
  t.equal((await send({ method: 'GET', url: `${urlOf(server)}/none` })).text, '');
});

t.test('one that is cut short is said to be', async (t) => {
  const server = createTcpServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal'));
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await t.rejects(send({ method: 'GET', url: `http://127.0.0.1:${port}/` }), { code: 'connection_lost' });
});

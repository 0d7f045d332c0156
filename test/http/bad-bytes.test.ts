// Bytes that are no request: answered on the socket, in the words of every other refusal.
import { connect } from 'node:net';
import t from 'tap';
import { startTestService } from '../support/service.ts';

/** What comes back for bytes, until the server closes. */
async function sendBytes(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((settle) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => settle(text));
  });
}

t.test('bytes that are not HTTP, or too many of them', async (t) => {
  const service = await startTestService(t);
  const host = `Host: ${new URL(service.url).host}\r\n`;
  const cases: [name: string, bytes: string, status: number, code: string][] = [
    ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_request'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400, 'invalid_request'],
    [
      'two lengths',
      `POST /v1/grants HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
      400,
      'invalid_request',
    ],
    [
      'a length and chunks',
      `POST /v1/grants HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    ['a header over two lines', `GET /v1/whoami HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`, 400, 'invalid_request'],
    [
      'headers of 9 kB',
      `GET /v1/whoami HTTP/1.1\r\n${host}X-Long: ${'x'.repeat(9 * 1024)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'two Hosts',
      `GET /v1/whoami HTTP/1.1\r\n${host}Host: evil.example\r\nConnection: close\r\n\r\n`,
      400,
      'duplicate_header',
    ],
  ];
  for (const [name, bytes, status, code] of cases) {
    const answer = await sendBytes(service.url, bytes);
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${name}: ${answer.slice(0, 300)}`);
    t.match(answer, /content-type: application\/problem\+json/i, name);
    t.match(JSON.parse(answer.slice(answer.indexOf('{'))), { status, code, hint: /\S/, request_id: /^rq_/ }, name);
  }
  t.match(
    await sendBytes(service.url, 'GET /v1/whoami HTTP/1.1\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
    'no Host (RFC 9112, section 3.2)',
  );
});

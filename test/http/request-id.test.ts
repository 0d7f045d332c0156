// Every answer carries an id of its request, whoever gives it: a route, the server, or what stands in front of both.
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { call, postToken, startTestService } from '../support/service.ts';

const ID = /^rq_[a-z2-7]{26}$/;

t.test('every answer carries x-request-id, each its own', async (t) => {
  const service = await startTestService(t);
  const seen = new Set<string>();
  async function send(bytes: string): Promise<{ status: number; id: string | undefined; body: string }> {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    socket.end(bytes);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(socket, 'close');
    const [head = '', body = ''] = text.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), id: /^x-request-id: (.*)$/im.exec(head)?.[1], body };
  }
  const host = `Host: ${new URL(service.url).host}\r\nConnection: close\r\n`;
  const raw: [string, string, number][] = [
    ['a document, the short way', `GET /jwks HTTP/1.1\r\n${host}\r\n`, 200],
    ['a document, the long way', `GET /jwks HTTP/1.1\r\n${host}If-None-Match: *\r\n\r\n`, 304],
    ['a foreign Host', 'GET /jwks HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 421],
    ['a header twice', `GET /jwks HTTP/1.1\r\n${host}${host}\r\n`, 400],
    ['a broken path', `GET /%ff HTTP/1.1\r\n${host}\r\n`, 400],
    ['nothing there', `GET /nothing HTTP/1.1\r\n${host}\r\n`, 404],
    ['no HTTP', 'what is this\r\n\r\n', 400],
    ['headers too large', `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(10_000)}\r\n\r\n`, 431],
  ];
  for (const [name, bytes, status] of raw) {
    const answer = await send(bytes);
    t.equal(answer.status, status, name);
    t.match(answer.id, ID, name);
    if (answer.body.startsWith('{"type"')) t.equal(JSON.parse(answer.body).request_id, answer.id, name);
    seen.add(answer.id ?? name);
  }
  const answers = {
    probe: call(service.url, 'GET', '/livez'),
    metrics: call(service.url, 'GET', '/metrics'),
    'the API': service.call('GET', '/v1/whoami'),
    'the API, refused': service.call('GET', '/v1/whoami', undefined, { token: 'x' }),
    'no JSON': service.call('POST', '/v1/connections', '{'),
    'the token endpoint': postToken(service.url, 'grant_type=x'),
  };
  for (const [name, answer] of Object.entries(answers)) {
    const id = (await answer).headers.get('x-request-id') ?? '';
    t.match(id, ID, name);
    seen.add(id);
  }
  t.equal(seen.size, raw.length + Object.keys(answers).length, 'none twice');
});

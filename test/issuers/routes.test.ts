// Discovery and JWKS as strangers fetch them.
import { request } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { steppedClock } from '../support/keys.ts';
import { call, startTestService, type TestService } from '../support/service.ts';

async function createConnection(service: TestService) {
  const { body } = await service.call('POST', '/v1/connections', {
    name: 'x',
    aws: { account_id: '111122223333', permission_set: 'read-only' },
  });
  return body as { id: string; issuer: { id: string; url: string } };
}

/** What is logged of requests; what the service finds when it looks at its own documents is not. */
const accessLines = (logged: readonly Record<string, unknown>[]): string[] =>
  logged.filter((line) => !('findings' in line)).map((line) => JSON.stringify(line));

t.test('documents are cacheable, tagged, open to any origin, and say nothing of Host', async (t) => {
  const service = await startTestService(t);
  const { issuer } = await createConnection(service);
  const base = `/c/${issuer.id}`;
  for (const path of [
    `${base}/.well-known/openid-configuration`,
    `${base}/jwks`,
    '/.well-known/openid-configuration',
    '/jwks',
  ]) {
    const first = await call(service.url, 'GET', path);
    t.equal(first.status, 200, path);
    t.match(first.headers.get('content-type'), /^application\/json/);
    t.equal(first.headers.get('cache-control'), 'public, max-age=5');
    t.equal(first.headers.get('access-control-allow-origin'), '*');
    const etag = first.headers.get('etag') as string;
    t.match(etag, /^"[\w-]+"$/);
    t.equal((await call(service.url, 'GET', path, undefined, { 'if-none-match': etag })).status, 304);
    t.equal((await call(service.url, 'GET', path, undefined, { 'if-none-match': `"other", W/${etag}` })).status, 304);
    t.equal((await call(service.url, 'GET', path, undefined, { 'if-none-match': '"other"' })).status, 200);
  }
  const { body } = await call(service.url, 'GET', `${base}/.well-known/openid-configuration`);
  t.equal(body.issuer, issuer.url);
  t.notOk(
    accessLines(service.logged).some((line) => line.includes('/jwks')),
    'no access-log line',
  );
});

t.test('an unknown issuer is a 404 that nobody keeps; a malformed one is none at all', async (t) => {
  const service = await startTestService(t);
  const unknown = await call(service.url, 'GET', `/c/is_${'a'.repeat(26)}/jwks`);
  t.equal(unknown.status, 404);
  t.equal(unknown.headers.get('cache-control'), 'no-store');
  for (const id of ['platform', 'is_UPPER', '..%2f', "is_'or'1"]) {
    const answer = await call(service.url, 'GET', `/c/${id}/jwks`);
    t.ok(answer.status === 404 || answer.status === 400, `${id}: ${answer.status}`);
  }
});

t.test('a key set changes with a rotation, and its tag with it', async (t) => {
  const service = await startTestService(t);
  const { issuer } = await createConnection(service);
  const before = await call(service.url, 'GET', `/c/${issuer.id}/jwks`);
  await service.call('POST', `/v1/keys/${issuer.id}/rotate`, { now: true });
  const after = await call(service.url, 'GET', `/c/${issuer.id}/jwks`, undefined, {
    'if-none-match': before.headers.get('etag') as string,
  });
  t.equal(after.status, 200);
  t.equal(after.body.keys.length, 3);
  t.same(
    after.body.keys
      .slice(0, 2)
      .map((key: { kid: string }) => key.kid)
      .sort(),
    before.body.keys.map((key: { kid: string }) => key.kid).sort(),
    'nothing left the set',
  );
});

/** A request with headers that fetch would not send. */
async function raw(service: TestService, path: string, headers: string[]): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    const { port } = new URL(service.url);
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: 'GET',
        headers: headers as unknown as Record<string, string>,
        setHost: false,
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

t.test('a foreign Host is refused everywhere but at health', async (t) => {
  const service = await startTestService(t);
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/v1/whoami', '/oauth2/token', '/nothing']) {
    const answer = await raw(service, path, ['Host', 'evil.example']);
    t.equal(answer.status, 421, path);
    t.notOk(answer.body.includes('evil'), 'and not repeated');
  }
  t.equal((await raw(service, '/livez', ['Host', 'evil.example'])).status, 200);
  t.equal((await raw(service, '/readyz', ['Host', '10.0.0.7:8080'])).status, 200);
});

t.test('headers that came twice are refused', async (t) => {
  const service = await startTestService(t);
  const { host, port } = new URL(service.url);
  for (const header of [
    'Host: evil.example',
    'Authorization: Bearer a\r\nAuthorization: Bearer b',
    'Content-Type: application/json\r\nContent-Type: text/plain',
  ]) {
    const status = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(`GET /v1/whoami HTTP/1.1\r\nHost: ${host}\r\n${header}\r\nConnection: close\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text.split('\r\n')[0] ?? ''));
      socket.on('error', reject);
    });
    t.match(status, / 400 /, header);
  }
});

t.test(
  'documents are neither limited nor logged, however many are asked for and whatever else that address did',
  async (t) => {
    const service = await startTestService(t, {
      // However long the documents take, nobody is allowed one more meanwhile.
      pace: steppedClock(),
      env: { RATE_LIMIT_FAILURES_PER_ADDRESS: '1', RATE_LIMIT_PER_CLIENT: '1' },
    });
    const { issuer } = await createConnection(service);
    const paths = ['', `/c/${issuer.id}`].flatMap((base) => [
      `${base}/jwks`,
      `${base}/.well-known/openid-configuration`,
    ]);
    const stranger = () => service.call('GET', '/v1/whoami', undefined, { token: 'nobody' });
    while ((await stranger()).status !== 429);
    const before = service.logged.length;
    for (let turn = 0; turn < 50; turn += 1) {
      for (const path of paths) {
        // The plain way, and the framework's.
        const etag = (await call(service.url, 'GET', path)).headers.get('etag') as string;
        t.equal((await call(service.url, 'GET', path, undefined, { 'if-none-match': etag })).status, 304);
      }
    }
    t.equal((await stranger()).status, 429, 'who is still refused elsewhere');
    const lines = accessLines(service.logged.slice(before));
    t.same(
      lines.filter((line) => /jwks|openid-configuration|"req"/.test(line)),
      [],
    );
  },
);

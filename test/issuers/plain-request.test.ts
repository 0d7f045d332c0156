// The short way to a document: it answers what the long way answers, and nothing that the long way would refuse.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { createServer } from '../../src/http/server.ts';
import { createRenderedDocuments } from '../../src/issuers/rendered.ts';
import { registerIssuerRoutes } from '../../src/issuers/routes.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import type { Ring, RingKey } from '../../src/keys/facts.ts';
import type { RingView } from '../../src/keys/view.ts';

const urls = { issuerUrl: 'http://id.test', internalUrl: 'http://internal.test' };
const ISSUER = `is_${'a'.repeat(26)}`;

function key(kid: string, times: Partial<RingKey>): RingKey {
  return { kid, publishedAt: 0, bornWithRing: true, public: new Uint8Array(64), ...times };
}

function ring(issuer: string, keys: RingKey[]): Ring {
  return { id: `${issuer}:ES256`, issuer, algorithm: 'ES256', purpose: 'web_identity_token', keys };
}

async function listen(t: Test, which: 'platform' | 'all') {
  const rings = new Map([
    ...['platform', ISSUER].map((issuer) => [issuer, [ring(issuer, [key('one', { seq: 0, signsFrom: 0 })])]] as const),
  ]);
  const state = { serves: true };
  const view = {
    find: (issuer: string) => rings.get(issuer),
    load: async () => undefined,
    now: () => 1,
    policy: () => LOOPBACK_POLICY,
    mayServe: () => state.serves,
  };
  const server = createServer({ hosts: new Set(['id.test']), logger: pino({ level: 'silent' }) });
  registerIssuerRoutes(server, { urls, view: view as unknown as RingView }, which, new Set(['id.test']));
  const routed: string[] = [];
  server.addHook('onRequest', async (request) => void routed.push(request.url));
  t.teardown(() => server.close());
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const ask = async (path: string, headers: string[] = ['Host: id.test'], method = 'GET', body = '') => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${[`${method} ${path} HTTP/1.1`, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    await once(socket, 'end');
    const [head = '', answer] = text.split('\r\n\r\n');
    const [status = '', ...lines] = head.split('\r\n');
    return {
      status: Number(status.split(' ')[1]),
      headers: Object.fromEntries(lines.map((line) => line.toLowerCase().split(': ', 2))),
      body: answer,
    };
  };
  return { ask, state, routed };
}

const DISCOVERY = '/.well-known/openid-configuration';
const PATHS = ['/jwks', DISCOVERY, `/c/${ISSUER}/jwks`, `/c/${ISSUER}${DISCOVERY}`];

t.test('both ways answer the same', async (t) => {
  const { ask, routed } = await listen(t, 'all');
  for (const path of PATHS) {
    const short = await ask(path);
    t.notOk(routed.includes(path), 'the short way was taken');
    const long = await ask(path, ['Host: id.test', 'If-None-Match: "another"']);
    t.equal(short.status, 200, path);
    t.ok(routed.includes(path), 'and the long one');
    for (const { headers } of [short, long]) t.match(headers['x-request-id'], /^rq_/);
    t.not(short.headers['x-request-id'], long.headers['x-request-id']);
    const common = { date: '', 'x-request-id': '' };
    t.same({ ...short.headers, ...common }, { ...long.headers, ...common });
    t.equal(short.body, long.body);
  }
});

t.test('what is refused is refused on the short way too', async (t) => {
  const { ask } = await listen(t, 'all');
  for (const path of PATHS) {
    t.equal((await ask(path, ['Host: evil.example'])).status, 421, 'a foreign host');
    t.equal((await ask(path, ['Host: id.test', 'Host: id.test'])).status, 400, 'two hosts');
    t.equal((await ask(path, ['Host: id.test', 'Authorization: a', 'Authorization: b'])).status, 400, 'a header twice');
    t.equal((await ask(path, ['Host: id.test'], 'POST')).status, 404, 'another method');
    t.equal((await ask(`${path}/`)).status, 404);
  }
  t.equal((await ask(`/c/is_${'b'.repeat(26)}/jwks`)).status, 404, 'an unknown issuer');
  t.equal((await ask(`/c/platform/jwks`)).status, 400, 'no issuer at all');
});

t.test('the internal listener has no connection issuers', async (t) => {
  const { ask } = await listen(t, 'platform');
  t.same(await Promise.all(PATHS.map(async (path) => (await ask(path)).status)), [200, 200, 404, 404]);
});

t.test('a view that is too old is not served', async (t) => {
  const { ask, state } = await listen(t, 'all');
  t.equal((await ask('/jwks')).status, 200);
  state.serves = false;
  t.equal((await ask('/jwks')).status, 503);
  t.equal((await ask(`/c/${ISSUER}/jwks`)).status, 503);
});

t.test('a key set is rendered once, until its rings change or a key leaves by time', async (t) => {
  const documents = createRenderedDocuments(urls);
  const rings = [
    ring(ISSUER, [key('old', { seq: 0, signsFrom: 0, removedAt: 100 }), key('new', { seq: 1, signsFrom: 50 })]),
  ];
  const kids = (now: number, of = rings): string[] =>
    JSON.parse(documents.jwks(ISSUER, of, now).body).keys.map(({ kid }: { kid: string }) => kid);
  t.same(kids(60).sort(), ['new', 'old']);
  t.equal(documents.jwks(ISSUER, rings, 99), documents.jwks(ISSUER, rings, 60), 'not rendered again');
  t.same(kids(100), ['new'], 'gone in the very millisecond');
  t.same(kids(99).sort(), ['new', 'old'], 'though the clock was put back');
  t.not(documents.jwks(ISSUER, rings, 100).etag, documents.jwks(ISSUER, rings, 99).etag);
  t.same(
    kids(60, [ring(ISSUER, [key('fresh', { seq: 0, signsFrom: 0 })])]),
    ['fresh'],
    'other rings, though nothing else changed',
  );
});

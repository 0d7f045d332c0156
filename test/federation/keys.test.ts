// The keys of trusted issuers: rotated, pasted, unreachable, and every way in which an issuer can misbehave.
import type { RequestListener, ServerResponse } from 'node:http';
import t from 'tap';
import { createRanges } from '../../src/http/addresses.ts';
import { createEgress } from '../../src/reach/egress.ts';
import { createIssuerKeys, FETCH_EVERY_MS, KEPT_MS, RENEW_AFTER_MS } from '../../src/trusted-issuers/keys.ts';
import type { TrustedIssuer } from '../../src/trusted-issuers/store.ts';
import { createStandInKey, type StandIn, type StandInKey, startStandIn } from '../support/stand-in-issuer.ts';

const allowed = createRanges(['127.0.0.1/32']);

function trusted(standIn: StandIn, more: Partial<TrustedIssuer> = {}): TrustedIssuer {
  return {
    ...{ id: 'ti_x', name: 'x', kind: 'kubernetes', issuer: standIn.url, audience: null, algorithms: ['RS256'] },
    ...{ jwks_uri: null, jwks: null, one_time: false, max_token_seconds: 3600, state: 'active', version: 1 },
    ...{ login: null, login_version: null, created_at: '', updated_at: '', ...more },
  };
}

function open(resolve?: (name: string) => Promise<string[]>) {
  const time = { now: 0 };
  const warned: object[] = [];
  const keys = createIssuerKeys({
    ask: createEgress({ allowed, resolve }),
    clock: { monotonic: () => time.now },
    log: { warn: (details) => void warned.push(details) },
  });
  return { keys, time, warned };
}

t.test(
  'keys are rotated, asked for once a minute at most, one at a time, and dropped when the issuer drops them',
  async (t) => {
    const cluster = await startStandIn(t, 'ES256');
    const { keys, time } = open();
    const issuer = trusted(cluster);
    const [first] = cluster.keys as [StandInKey];
    const many = await Promise.all(Array.from({ length: 20 }, () => keys.find(issuer, first.kid)));
    t.ok(many.every((key) => key !== undefined));
    t.equal(cluster.asked.length, 2, 'discovery and JWKS, once for all');
    const second = createStandInKey('ES256');
    cluster.keys = [second];
    t.equal(await keys.find(issuer, second.kid), undefined, 'not yet: it was asked a moment ago');
    for (let index = 0; index < 20; index += 1) await keys.find(issuer, `unknown-${index}`);
    t.equal(cluster.asked.length, 2);
    time.now += FETCH_EVERY_MS;
    t.ok(await keys.find(issuer, second.kid), 'a minute later');
    t.equal(await keys.find(issuer, first.kid), undefined, 'the one that is gone is gone');
    t.equal(cluster.asked.length, 4);

    time.now += RENEW_AFTER_MS;
    t.ok(await keys.find(issuer, second.kid), 'used while it is renewed');
    await keys.look(issuer);
    cluster.keys = [first];
    time.now += RENEW_AFTER_MS;
    await keys.find(issuer, second.kid);
    while ((await keys.find(issuer, second.kid)) !== undefined) await new Promise((resolve) => setImmediate(resolve));
    t.equal(
      await keys.find(issuer, second.kid),
      undefined,
      'a key that is dropped is not used until somebody asks for another',
    );
  },
);

t.test('the last good keys are kept while the issuer is away, for six hours', async (t) => {
  const cluster = await startStandIn(t, 'ES256');
  const { keys, time, warned } = open();
  const issuer = trusted(cluster);
  const [key] = cluster.keys as [StandInKey];
  await keys.find(issuer, key.kid);
  cluster.misbehave = (_request, response) => void response.writeHead(500).end();
  time.now += KEPT_MS - 1;
  t.ok(await keys.find(issuer, key.kid));
  time.now += 1;
  await t.rejects(keys.find(issuer, key.kid), { message: /the answer is 500/ });
  t.ok(warned.length > 0, 'and the log says so');
  t.match(await keys.look(issuer), { kids: [], failure: /the answer is 500/ });
  cluster.misbehave = undefined;
  await t.rejects(keys.find(issuer, key.kid), { message: /answer is 500/ }, 'within the minute nobody asks again');
  time.now += FETCH_EVERY_MS;
  t.ok(await keys.find(issuer, key.kid));
  t.equal((await keys.find(trusted(cluster, { version: 2 }), key.kid))?.algorithms[0], 'ES256', 'by other rules anew');
});

t.test('pasted keys need nobody, and a pinned jwks_uri no discovery', async (t) => {
  const [cluster, elsewhere] = [await startStandIn(t), await startStandIn(t)];
  const { keys } = open();
  const { jwk, kid } = createStandInKey('RS256');
  const pasted = trusted(cluster, { jwks: { keys: [jwk] } });
  t.ok(await keys.find(pasted, kid));
  t.equal(await keys.find(pasted, 'x'), undefined);
  t.same(cluster.asked, []);
  const pinned = trusted(cluster, { id: 'ti_y', jwks_uri: `${elsewhere.url}/jwks` });
  t.ok(await keys.find(pinned, elsewhere.keys[0]?.kid as string));
  t.same([cluster.asked, elsewhere.asked], [[], ['/jwks']]);
});

t.test('an issuer that misbehaves is not believed, and what is wrong is said', async (t) => {
  const elsewhere = await startStandIn(t);
  const json = (response: ServerResponse, value: unknown, type = 'application/json'): void =>
    void response.setHeader('content-type', type).end(typeof value === 'string' ? value : JSON.stringify(value));
  const discovery =
    (change: (url: string) => object): ((url: string) => RequestListener) =>
    (url) =>
    (_request, response) =>
      json(response, { issuer: url, jwks_uri: `${url}/jwks`, ...change(url) });
  const jwks =
    (answer: RequestListener): ((url: string) => RequestListener) =>
    (url) =>
    (request, response) =>
      request.url === '/jwks' ? answer(request, response) : json(response, { issuer: url, jwks_uri: `${url}/jwks` });
  const ways: [string, (url: string) => RequestListener, RegExp][] = [
    ['another issuer', discovery(() => ({ issuer: 'https://evil.example' })), /its issuer is another/],
    ['with a slash more', discovery((url) => ({ issuer: `${url}/` })), /its issuer is another/],
    ['jwks_uri elsewhere', discovery(() => ({ jwks_uri: `${elsewhere.url}/jwks` })), /another host/],
    ['jwks_uri as a list', discovery(() => ({ jwks_uri: [] })), /another host/],
    [
      'redirect',
      jwks((_q, response) => void response.writeHead(302, { location: elsewhere.url }).end()),
      /answer is 302/,
    ],
    ['404', jwks((_q, response) => void response.writeHead(404).end()), /answer is 404/],
    ['HTML', jwks((_q, response) => json(response, { keys: [] }, 'text/html')), /content type/],
    ['huge', jwks((_q, response) => json(response, `{"keys":[],"x":"${'x'.repeat(70_000)}"}`)), /64 kB/],
    [
      'slow',
      jwks((_q, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{')),
      /in time/,
    ],
    ['not JSON', jwks((_q, response) => json(response, '{"keys":')), /not a sound JSON/],
    ['a member twice', jwks((_q, response) => json(response, '{"keys":[],"keys":[1]}')), /not a sound JSON/],
    ['a list', jwks((_q, response) => json(response, [])), /not a sound JSON/],
    ['no keys', jwks((_q, response) => json(response, { keys: {} })), /no JWKS/],
    ['too many', jwks((_q, response) => json(response, { keys: Array.from({ length: 101 }, () => ({})) })), /no JWKS/],
    ['cut off', jwks((request) => void request.socket.destroy()), /in time|reset|cut/],
  ];
  await Promise.all(
    ways.map(async ([name, misbehave, expected]) => {
      const standIn = await startStandIn(t);
      standIn.misbehave = misbehave(standIn.url);
      const { keys } = open();
      await t.rejects(keys.find(trusted(standIn), standIn.keys[0]?.kid as string), { message: expected }, name);
    }),
  );
  t.same(elsewhere.asked, [], 'nobody was sent elsewhere');
});

t.test('an issuer whose name comes to lead to this network is not gone to', async (t) => {
  const cluster = await startStandIn(t);
  const answers = [['127.0.0.1'], ['127.0.0.2']];
  const { keys } = open(async () => answers.shift() ?? ['127.0.0.2']);
  const named = cluster.url.replace('127.0.0.1', 'cluster.example');
  cluster.url = named;
  await t.rejects(keys.find(trusted(cluster), 'x'), { message: /may not be gone to/ });
  t.same(cluster.asked, ['/.well-known/openid-configuration'], 'its JWKS was asked of nobody');
});

t.test('keys that verify nothing are left out', async (t) => {
  const cluster = await startStandIn(t);
  const { keys } = open();
  const [good] = cluster.keys as [StandInKey];
  const twin = createStandInKey('RS256', 'twin');
  const privately = createStandInKey('ES256', 'private');
  const bad: Record<string, unknown>[] = [
    twin.jwk,
    { ...createStandInKey('RS256').jwk, kid: 'twin' },
    { ...privately.privateKey.export({ format: 'jwk' }), kid: 'private' },
    { ...good.jwk, kid: 'encrypts', use: 'enc' },
    { ...good.jwk, kid: 'symmetric', alg: 'HS256' },
    { kty: 'oct', kid: 'oct', k: 'AAAA' },
    { ...good.jwk, kid: 'exponent', e: 'Aw' },
    { ...good.jwk, kid: 'short', n: (good.jwk['n'] as string).slice(0, 170) },
    { ...createStandInKey('ES256').jwk, kid: 'other-curve', alg: 'ES384' },
    { ...createStandInKey('ES256').jwk, kid: 'no-point', x: 'AA' },
    { ...good.jwk, kid: 7 },
  ];
  cluster.keys.push(...bad.map((jwk) => ({ ...good, jwk })));
  t.same((await keys.look(trusted(cluster))).kids, [good.kid]);
  t.same((await keys.find(trusted(cluster), good.kid))?.algorithms, ['RS256'], 'bound to the algorithm that it names');
});

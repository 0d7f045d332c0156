// An issuer seen from outside: each fault that AWS would keep to itself, made for real on loopback, found by its name.
import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Expected } from '../../src/reach/documents.ts';
import { ADVICE, worstOf } from '../../src/reach/findings.ts';
import { reachIssuer } from '../../src/reach/reach.ts';
import { type Answer, type Ask, createAsk, type Manner } from '../../src/reach/stranger.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';

const DAY = 24 * 3_600_000;
/** Speed is the subject of none of these: on a busy machine any answer may be slow. */
const clock: Clock = { ...systemClock, monotonic: () => 0 };
/** Waits longer than the service does, for the same reason. */
const patient: Manner = { deadlineMs: 60_000 };
/** A name server that answers, and knows nobody. */
const lookup: NonNullable<Manner['lookup']> = (_name, _options, answer) =>
  answer(Object.assign(new Error('nobody'), { code: 'ENOTFOUND' }), '');
const KEY = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'k1', use: 'sig', alg: 'ES256' };

const discovery = (issuer: string) => ({
  issuer,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256', 'RS256'],
  claims_supported: ['aud', 'iat', 'iss', 'sub'],
});

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A sound issuer, over TLS where a certificate is given. */
async function startIssuer(
  t: Test,
  { certificate, host = '127.0.0.1' }: { certificate?: Certificate; host?: string } = {},
): Promise<string> {
  let issuer = '';
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const document = request.url === '/jwks' ? { keys: [KEY] } : discovery(issuer);
    response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(document));
  };
  const server = certificate
    ? createHttps({ cert: certificate.cert, key: certificate.key }, answer)
    : createHttp(answer);
  issuer = `${certificate ? 'https' : 'http'}://${host}:${await listen(t, server as Server)}`;
  return issuer;
}

const ISSUER = 'https://id.example.com';

/** What a stranger gets at `ISSUER`, without a network; `change` says what is wrong with it. */
async function codesOf(
  change: { discovery?: Partial<Answer>; jwks?: Partial<Answer>; tookMs?: number },
  expected?: Expected,
): Promise<string[]> {
  let now = 0;
  const sound = { status: 200, contentType: 'application/json', location: undefined, certificate: undefined };
  const ask: Ask = async ({ pathname }) => {
    now += change.tookMs ?? 10;
    return pathname === '/jwks'
      ? { ...sound, body: JSON.stringify({ keys: [KEY] }), ...change.jwks }
      : { ...sound, body: JSON.stringify(discovery(ISSUER)), ...change.discovery };
  };
  const clock = { wall: () => 1_000_000, monotonic: () => now };
  const { findings } = await reachIssuer(ISSUER, { ask, clock }, expected);
  for (const { hint, detail } of findings) t.ok(hint.length > 20 && detail.length > 10, `${detail} ${hint}`);
  return findings.map(({ code }) => code);
}

const withKeys = (...keys: object[]) => ({ jwks: { body: JSON.stringify({ keys }) } });
const withMembers = (members: object) => ({
  discovery: { body: JSON.stringify({ ...discovery(ISSUER), ...members }) },
});

t.test('a sound issuer has no findings, over http on loopback and over TLS', async (t) => {
  const authority = makeCertificate({ commonName: 'test authority' });
  const certificate = makeCertificate({ commonName: 'x', names: ['localhost', '127.0.0.1'], issuer: authority });
  const outside = { ask: createAsk([authority.cert], patient), clock };
  t.same((await reachIssuer(await startIssuer(t), outside)).findings, []);
  t.same((await reachIssuer(await startIssuer(t, { certificate }), outside)).findings, []);
  t.same(await codesOf({}), []);
});

t.test('TLS faults have names, whatever the environment trusts', async (t) => {
  const authority = makeCertificate({ commonName: 'test authority' });
  const names = ['127.0.0.1'];
  const seen = async (certificate: Certificate, ask: Ask = createAsk([authority.cert], patient)): Promise<string[]> => {
    const issuer = await startIssuer(t, { certificate });
    return (await reachIssuer(issuer, { ask, clock })).findings.map(({ code }) => code);
  };
  const good = makeCertificate({ commonName: 'good', names, issuer: authority });
  t.same(await seen(good), []);
  t.same(await seen(good, createAsk(undefined, patient)), ['tls_untrusted'], 'an authority that strangers do not know');
  t.same(await seen(makeCertificate({ commonName: 'self', names })), ['tls_self_signed']);
  t.same(await seen(makeCertificate({ commonName: 'other', names: ['example.com'], issuer: authority })), [
    'tls_wrong_host',
  ]);
  t.same(
    await seen(makeCertificate({ commonName: 'late', names, issuer: authority, notAfter: Date.now() - 3_600_000 })),
    ['tls_expired'],
  );
  t.same(await seen(makeCertificate({ commonName: 'early', names, issuer: authority, notBefore: Date.now() + DAY })), [
    'tls_not_yet_valid',
  ]);
  const issuer = await startIssuer(t, {
    certificate: makeCertificate({
      ...{ commonName: 'soon', names, issuer: authority },
      ...{ notBefore: Date.now() - 77 * DAY, notAfter: Date.now() + 13 * DAY },
    }),
  });
  const soon = await reachIssuer(issuer, { ask: createAsk([authority.cert], patient), clock });
  t.same(
    soon.findings.map(({ code, severity }) => [code, severity]),
    [['tls_expires_soon', 'warning']],
  );
  t.equal(worstOf(soon.findings), undefined);
  const plain = (await startIssuer(t)).replace('http:', 'https:');
  t.same(
    (await reachIssuer(plain, { ask: createAsk(undefined, patient), clock })).findings.map(({ code }) => code),
    ['tls_failed'],
  );
});

t.test('a way that is cut has a name', async (t) => {
  const seen = async (issuer: string, manner: Manner = patient): Promise<string[]> =>
    (await reachIssuer(issuer, { ask: createAsk(undefined, manner), clock })).findings.map(({ code }) => code);
  t.same(await seen('https://nobody.invalid', { ...patient, lookup }), ['dns_failed']);

  const closed = createHttp();
  const port = await listen(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  t.same(await seen(`http://127.0.0.1:${port}`), ['connection_refused']);

  const cutting = createTcp((socket) => socket.destroy()).listen(0, '127.0.0.1');
  const garbling = createTcp((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
  const switching = createTcp((socket) =>
    socket.on('error', () => {}).write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  ).listen(0, '127.0.0.1');
  t.teardown(() => {
    for (const server of [cutting, garbling, switching]) server.close();
  });
  await Promise.all([cutting, garbling, switching].map((server) => once(server, 'listening')));
  t.same(await seen(`http://127.0.0.1:${(cutting.address() as AddressInfo).port}`), ['connection_reset']);
  t.same(await seen(`http://127.0.0.1:${(garbling.address() as AddressInfo).port}`), ['not_http']);
  const switched = seen(`http://127.0.0.1:${(switching.address() as AddressInfo).port}`);
  t.same(await switched, ['status_unexpected'], 'a 101 is an answer, and ends');
  t.same(await seen('http://id.example.com'), ['url_not_https']);
  t.same(await seen('https://id.example.com:8443'), ['url_not_https']);
});

t.test('over 5 s there is no answer, and nothing waits longer', async (t) => {
  const port = await listen(
    t,
    createHttp(() => {}),
  );
  const started = performance.now();
  const { findings } = await reachIssuer(`http://127.0.0.1:${port}`, { ask: createAsk(), clock });
  t.same(
    findings.map(({ code }) => code),
    ['too_slow'],
  );
  t.ok(performance.now() - started < 35_000);
});

t.test('an answer that is no document has a name', async (t) => {
  t.same(await codesOf({ discovery: { status: 301, location: 'https://www.example.com/' } }), ['redirected']);
  for (const status of [403, 404, 421, 429, 500, 503, 204])
    t.same(await codesOf({ jwks: { status } }), ['status_unexpected'], String(status));
  t.same(await codesOf({ jwks: { contentType: 'text/html' } }), ['content_type_wrong']);
  t.same(await codesOf({ jwks: { contentType: 'application/jwk-set+json' } }), []);
  t.same(await codesOf({ discovery: { body: '<html>' } }), ['not_json']);
  t.same(await codesOf({ discovery: { body: '[]' } }), ['not_json']);
  t.same(await codesOf({ jwks: { body: undefined } }), ['too_large']);
  t.same(await codesOf({ tookMs: 600 }), ['slow'], 'the second of the two is over 1 s');
  t.same(await codesOf({ tookMs: 400 }), []);
  const aged = (from: number, days: number) =>
    codesOf({ discovery: { certificate: { from: 1_000_000 - from, until: 1_000_000 - from + days * DAY } } });
  t.same(await aged(90 * DAY, 90), ['tls_expired'], 'by the clock that is given');
  t.same(await aged(75 * DAY, 90), []);
  t.same(await aged(76 * DAY, 90), ['tls_expires_soon']);
  t.same(await aged(DAY, 7), [], 'one of a week that is a day old');
  t.same(await aged(6 * DAY, 7), ['tls_expires_soon']);
});

t.test('a document that a cloud would refuse, or that is not ours, has a name', async (t) => {
  t.same(await codesOf(withMembers({ issuer: `${ISSUER}/` })), ['issuer_mismatch']);
  t.same(await codesOf(withMembers({ jwks_uri: 'http://id.example.com/jwks' })), ['jwks_uri_wrong']);
  t.same(await codesOf(withMembers({ claims_supported: ['sub'] })), ['metadata_missing']);
  t.same(await codesOf(withMembers({ subject_types_supported: undefined })), ['metadata_missing']);
  t.same(await codesOf(withKeys()), ['no_keys']);
  t.same(await codesOf({ jwks: { body: '{"keys":7}' } }), ['no_keys']);
  t.same(await codesOf(withKeys({ ...KEY, key_ops: ['verify'] })), ['key_unusable']);
  t.same(await codesOf(withKeys({ ...KEY, kid: undefined })), ['key_unusable']);
  t.same(await codesOf(withKeys({ ...KEY, use: 'enc' })), ['key_unusable']);
  t.same(await codesOf(withKeys({ ...KEY, d: 'secret' })), ['key_unusable']);
});

t.test('beside what we would serve: another set of our keys is none, a strange key is altered', async (t) => {
  const ours: Record<string, Record<string, string>> = { k1: KEY, k0: { ...KEY, kid: 'k0' } };
  const expected: Expected = { findKey: async (kid) => ours[kid], signing: ['k1'] };
  t.same(await codesOf({}, expected), []);
  t.same(await codesOf(withKeys(KEY, { ...KEY, kid: 'k0' }), expected), [], 'an older or newer set');
  t.same(await codesOf(withKeys(KEY, { ...KEY, kid: 'k9' }), expected), ['altered'], 'a kid that never was');
  t.same(await codesOf(withKeys({ ...KEY, x: 'z' }), expected), ['altered'], 'a known kid with another key');
  t.same(await codesOf(withKeys({ ...KEY, kid: 'k0' }), expected), ['signing_key_missing']);
  const token = { discovery: { ...discovery(ISSUER), token_endpoint: 'https://internal.example.com/oauth2/token' } };
  t.same(await codesOf(withMembers({ token_endpoint: 'https://evil.example/oauth2/token' }), token), ['altered']);
  t.same(await codesOf(withMembers({ token_endpoint: token.discovery.token_endpoint }), token), []);
  await t.rejects(
    codesOf({}, { findKey: () => Promise.reject(new Error('no database')) }),
    /no database/,
    'who cannot tell does not guess',
  );
});

t.test('every code has its advice', async (t) => {
  for (const [code, hint] of Object.entries(ADVICE)) t.match(hint, /^[A-Z].*\.$/, code);
});

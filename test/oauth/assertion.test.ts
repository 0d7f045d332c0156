// The token endpoint's defences that its answers alone do not tell apart: algorithms, one method, equal work, no browser.
import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import t from 'tap';
import { readAssertion } from '../../src/oauth/assertion.ts';
import { assertion, postToken, registerClient, startTestService, tokenForm } from '../support/service.ts';

const issuerUrl = 'https://id.example.com';

t.test('an assertion is signed with ES256 or RS256, whatever key it is', async (t) => {
  const now = Math.floor(Date.now() / 1000);
  const clock = { wall: () => now * 1000, monotonic: () => 0 };
  const claims = { iss: 'wl_x', sub: 'wl_x', aud: issuerUrl, jti: 'a-jti-of-mine', exp: now + 60 };
  const unsigned = (alg: unknown): string =>
    [{ alg }, claims, 'signature']
      .map((part) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url'))
      .join('.');
  for (const alg of ['ES256', 'RS256'])
    t.match(readAssertion(unsigned(alg), issuerUrl, clock), { clientId: 'wl_x', jti: 'a-jti-of-mine' });
  for (const alg of ['none', 'HS256', 'PS256', 'ES384', 'EdDSA', 'es256', undefined, ['ES256']]) {
    t.throws(() => readAssertion(unsigned(alg), issuerUrl, clock), { message: /alg must be one of/ }, String(alg));
  }
});

t.test('an assertion with the public key as an HMAC secret is refused', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const { body } = await service.call('GET', `/v1/workloads/${client.id}`);
  const now = Math.floor(Date.now() / 1000);
  const forged = await new SignJWT({
    iss: client.id,
    sub: client.id,
    aud: service.config.issuerUrl,
    jti: 'forged-jti',
    iat: now,
    exp: now + 60,
  })
    .setProtectedHeader({ alg: 'HS256', kid: client.kid })
    .sign(new TextEncoder().encode(JSON.stringify(body.keys[0].jwk)));
  t.match(await postToken(service.url, tokenForm(forged, `${service.config.issuerUrl}/v1`)), {
    status: 401,
    body: { error: 'invalid_client' },
  });
});

t.test('a client that authenticates in two ways is told to use one', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const form = tokenForm(
    await assertion(service.config.issuerUrl, client),
    `${service.config.issuerUrl}/v1/credentials`,
  );
  for (const authorization of ['Basic eDp5', 'Bearer x', 'anything']) {
    t.match(
      await postToken(service.url, form, { authorization }),
      { status: 400, body: { error: 'invalid_request', error_description: /client_assertion alone/ } },
      authorization,
    );
  }
  t.equal((await postToken(service.url, form)).status, 200, 'and the assertion is not used up by it');
});

t.test('an unknown client costs one verification, as a wrong key does', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { subtle } = globalThis.crypto;
  const verify = subtle.verify.bind(subtle);
  let verified = 0;
  t.teardown(() => Object.assign(subtle, { verify }));
  Object.assign(subtle, {
    verify: (...args: Parameters<typeof verify>) => {
      verified += 1;
      return verify(...args);
    },
  });
  const cost = async (id: string): Promise<number> => {
    verified = 0;
    const form = tokenForm(
      await assertion(service.config.issuerUrl, { ...client, privateKey, id }, {}, { kid: undefined }),
      `${service.config.issuerUrl}/v1`,
    );
    t.match(await postToken(service.url, form), { status: 401, body: { error: 'invalid_client' } });
    return verified;
  };
  const wrongKey = await cost(client.id);
  t.ok(wrongKey > 0, 'a wrong key is tried');
  t.equal(await cost(`wl_${'a'.repeat(26)}`), wrongKey, 'so is the key that nobody has');
});

t.test('a token and its refusal are for no cache and no browser', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const { issuerUrl: issuer } = service.config;
  const ask = async (resource: string, headers: Record<string, string>) =>
    await postToken(service.url, tokenForm(await assertion(issuer, client), resource), {
      'accept-encoding': 'gzip, br',
      ...headers,
    });
  const origin = { origin: 'https://evil.example' };
  const answers: [string, number, Awaited<ReturnType<typeof ask>>][] = [
    ['a token', 200, await ask(`${issuer}/v1/credentials`, {})],
    ['a refusal', 400, await ask('https://nowhere.example', {})],
    ['a script of another origin', 400, await ask(`${issuer}/v1/credentials`, origin)],
    ['a malformed request', 400, await postToken(service.url, 'x=y', origin)],
  ];
  for (const [name, status, answer] of answers) {
    t.equal(answer.status, status, name);
    t.equal(answer.headers.get('cache-control'), 'no-store', name);
    t.equal(answer.headers.get('content-encoding'), null, name);
    t.same(
      [...answer.headers.keys()].filter((header) => header.startsWith('access-control-')),
      [],
      name,
    );
  }
  const preflight = await fetch(`${service.url}/oauth2/token`, {
    method: 'OPTIONS',
    headers: { ...origin, 'access-control-request-method': 'POST' },
  });
  t.equal(preflight.headers.get('access-control-allow-origin'), null);
});

t.test('a key that was deleted proves nothing from the commit on, though its client is remembered', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await service.call('POST', `/v1/workloads/${client.id}/keys`, { jwk: publicKey.export({ format: 'jwk' }) });
  const ask = async () =>
    postToken(service.url, tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`));
  t.equal((await ask()).status, 200, 'remembered');
  t.equal((await service.call('DELETE', `/v1/workloads/${client.id}/keys/${client.kid}`)).status, 204);
  t.match(await ask(), { status: 401, body: { error: 'invalid_client', access_token: undefined } });
});

t.test('a key that was added takes nothing from the one that is remembered', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ask = async () =>
    postToken(service.url, tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`));
  t.equal((await ask()).status, 200);
  await service.call('POST', `/v1/workloads/${client.id}/keys`, { jwk: publicKey.export({ format: 'jwk' }) });
  t.equal((await ask()).status, 200, 'a rotation breaks no caller');
});

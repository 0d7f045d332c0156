// The token endpoint: what it mints, what it refuses, and that nothing leaves unrecorded.
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import t from 'tap';
import { buildAssertion } from '../../src/cli/assertion.ts';
import {
  assertion,
  postToken,
  registerClient,
  startTestService,
  tokenForm,
  workloadToken,
} from '../support/service.ts';

t.test('a workload token is RFC 9068, for one audience, on record', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing', audiences: ['https://ledger.example'] });
  const { status, body, headers } = await postToken(
    service.url,
    tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`),
  );
  t.equal(status, 200, JSON.stringify(body));
  t.equal(headers.get('cache-control'), 'no-store');
  t.match(body, { token_type: 'Bearer', expires_in: 900 });
  const header = decodeProtectedHeader(body.access_token);
  t.match(header, { alg: 'ES256', typ: 'at+jwt', kid: String });
  const claims = decodeJwt(body.access_token);
  t.match(claims, {
    iss: issuerUrl,
    sub: client.id,
    client_id: client.id,
    aud: `${issuerUrl}/v1/credentials`,
    jti: String,
  });
  t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 900);
  const jwks = await service.call('GET', '/jwks', undefined, { token: null });
  t.ok(
    jwks.body.keys.some((key: { kid: string }) => key.kid === header.kid),
    'signed by a published key',
  );
  const { body: audit } = await service.call('GET', `/v1/audit?kind=token.minted&workload=${client.id}`);
  t.equal(audit.items.length, 1);
  t.match(audit.items[0].details, { jti: claims.jti, kid: header.kid, audience: claims.aud, client_kid: client.kid });
  t.equal(decodeJwt(await workloadToken(service, client, 'https://ledger.example')).aud, 'https://ledger.example');
});

t.test('the command is taken by a clock that is half a minute fast, or one and a half slow', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  for (const [off, status] of [
    [30, 200],
    [-90, 200],
    [-600, 401],
    [600, 401],
  ] as const) {
    const shown = buildAssertion(client.privateKey, client.id, issuerUrl, Date.now() + off * 1000);
    const answer = await postToken(service.url, tokenForm(shown, `${issuerUrl}/v1/credentials`));
    t.equal(answer.status, status, `${off} s: ${JSON.stringify(answer.body)}`);
  }
});

t.test('an assertion is refused for each of its faults, and the fault is named', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const resource = `${issuerUrl}/v1/credentials`;
  const now = Math.floor(Date.now() / 1000);
  const faults: [string, Record<string, unknown>, Record<string, unknown>, RegExp][] = [
    ['audience of the token endpoint', { aud: `${issuerUrl}/oauth2/token` }, {}, /aud must be/],
    ['array of audiences', { aud: [issuerUrl] }, {}, /aud must be/],
    ['ten years', { exp: now + 10 * 365 * 86_400 }, {}, /at most 300 s/],
    ['expired', { exp: now - 60 }, {}, /expired/],
    ['no exp', { exp: undefined }, {}, /exp/],
    ['fractional exp', { exp: now + 60.5 }, {}, /whole seconds/],
    ['future iat', { iat: now + 600, exp: now + 200 }, {}, /future/],
    ['no jti', { jti: undefined }, {}, /jti/],
    ['a 5 kB jti', { jti: 'x'.repeat(5_000) }, {}, /malformed|longer/],
    ['a long jti', { jti: 'x'.repeat(200) }, {}, /jti/],
    ['iss is not sub', { iss: 'wl_aaaaaaaaaaaaaaaaaaaaaaaaaa' }, {}, /iss and sub/],
    ['typ of an access token', {}, { typ: 'at+jwt' }, /typ/],
    ['jwk header', {}, { jwk: { kty: 'EC' } }, /jwk/],
    ['jku header', {}, { jku: 'https://evil.example/jwks' }, /jku/],
  ];
  for (const [name, claims, header, expected] of faults) {
    const { status, body } = await postToken(
      service.url,
      tokenForm(await assertion(issuerUrl, client, claims, header), resource),
    );
    t.equal(status, 401, name);
    t.equal(body.error, 'invalid_client', name);
    t.match(body.error_description, expected, name);
  }
});

t.test('replay is decided once, however many ask at once', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`);
  const answers = await Promise.all(Array.from({ length: 20 }, () => postToken(service.url, form)));
  t.equal(answers.filter((answer) => answer.status === 200).length, 1, 'one token');
  t.equal(answers.filter((answer) => answer.status === 401).length, 19);
  t.match(answers.find((answer) => answer.status === 401)?.body.error_description, /used before/);
});

t.test('an assertion of a refused call is used up too', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const used = await assertion(issuerUrl, client);
  const refused = await postToken(service.url, tokenForm(used, `${issuerUrl}/v1`, 'audit:read'));
  t.match(refused, { status: 400, body: { error: 'invalid_scope' } });
  t.match(await postToken(service.url, tokenForm(used, `${issuerUrl}/v1/credentials`)), {
    status: 401,
    body: { error_description: /used before/ },
  });
  const { body: audit } = await service.call('GET', `/v1/audit?kind=token.refused&workload=${client.id}`);
  t.match(audit.items[0].details, { code: 'invalid_scope', count: 1 });
});

t.test('an unknown workload and a wrong key look the same', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const other = await registerClient(service, { slug: 'other' });
  const resource = `${issuerUrl}/v1/credentials`;
  const unknown = await postToken(
    service.url,
    tokenForm(await assertion(issuerUrl, { ...client, id: 'wl_aaaaaaaaaaaaaaaaaaaaaaaaaa' }), resource),
  );
  const wrongKey = await postToken(
    service.url,
    tokenForm(await assertion(issuerUrl, { ...client, privateKey: other.privateKey }), resource),
  );
  t.equal(unknown.status, 401);
  t.same(unknown.body, wrongKey.body);
  t.equal(unknown.status, wrongKey.status);
});

t.test('what may not be minted', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing', scopes: ['audit:read'] });
  const administrator = await registerClient(service, {
    slug: 'alice',
    kind: 'administrators',
    scopes: ['audit:read'],
  });
  const refused = async (who: typeof client, resource: string, scope?: string) =>
    (await postToken(service.url, tokenForm(await assertion(issuerUrl, who), resource, scope))).body.error;
  t.equal(await refused(client, issuerUrl), 'invalid_target', 'the issuer');
  t.equal(await refused(client, `${issuerUrl}/oauth2/token`), 'invalid_target', 'the token endpoint');
  t.equal(await refused(client, 'https://sts.amazonaws.com'), 'invalid_target', "a cloud's own");
  t.equal(await refused(client, 'sts.amazonaws.com'), 'invalid_target', "a cloud's own, bare");
  t.equal(await refused(client, 'https://ledger.example'), 'invalid_target', 'an audience that it does not have');
  t.equal(
    await refused(client, `${issuerUrl}/v1/connections/cn_aaaaaaaaaaaaaaaaaaaaaaaaaa/credentials`),
    'invalid_target',
    'a connection not granted',
  );
  t.equal(
    await refused(client, `${issuerUrl}/v1`, 'audit:read keys:revoke'),
    'invalid_scope',
    'a scope that it does not have',
  );
  t.equal(
    await refused(client, `${issuerUrl}/v1/credentials`, 'audit:read'),
    'invalid_scope',
    'a scope at another audience',
  );
  t.equal(
    await refused(administrator, `${issuerUrl}/v1/credentials`),
    'invalid_target',
    'credentials for an administrator',
  );
  t.equal(
    decodeJwt(await workloadToken(service, client, `${issuerUrl}/v1`)).scope,
    'audit:read',
    'without scope: all that it has',
  );
});

t.test('malformed requests are RFC 6749 errors', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  const resource = `${issuerUrl}/v1/credentials`;
  const good = async () => new URLSearchParams(tokenForm(await assertion(issuerUrl, client), resource));
  const twice = await good();
  twice.append('resource', `${issuerUrl}/v1`);
  t.match(await postToken(service.url, twice), {
    status: 400,
    body: { error: 'invalid_request', error_description: /more than once/ },
  });
  const secret = await good();
  secret.append('client_secret', 'x');
  t.match(await postToken(service.url, secret), {
    status: 400,
    body: { error: 'invalid_request', error_description: /unknown parameter/ },
  });
  t.match(await postToken(service.url, await good(), { authorization: 'Basic eDp5' }), {
    status: 400,
    body: { error: 'invalid_request' },
  });
  t.match(await postToken(service.url, JSON.stringify({}), { 'content-type': 'application/json' }), { status: 415 });
  t.match(await postToken(service.url, `x=${'y'.repeat(20_000)}`), { status: 413 });
  const grant = await good();
  grant.set('grant_type', 'password');
  t.match(await postToken(service.url, grant), { status: 400, body: { error: 'unsupported_grant_type' } });
  const none = await good();
  none.delete('resource');
  t.match(await postToken(service.url, none), { status: 400, body: { error: 'invalid_target' } });
});

t.test('a suspended workload gets no token from the commit on, and its API token is dead', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'billing', scopes: ['audit:read'] });
  const token = await workloadToken(service, client, `${issuerUrl}/v1`);
  t.equal((await service.call('GET', '/v1/whoami', undefined, { token })).status, 200);
  t.equal((await service.call('PATCH', `/v1/workloads/${client.id}`, { state: 'suspended' })).status, 200);
  t.match(await postToken(service.url, tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1`)), {
    status: 400,
    body: { error: 'unauthorized_client' },
  });
  t.match(await service.call('GET', '/v1/whoami', undefined, { token }), {
    status: 403,
    body: { code: 'workload_suspended' },
  });
  t.equal((await service.call('PATCH', `/v1/workloads/${client.id}`, { state: 'active' })).status, 200);
  t.ok(await workloadToken(service, client, `${issuerUrl}/v1`));
});

t.test('who may change keys of a workload could be it: one with grants needs grants:write', async (t) => {
  const service = await startTestService(t);
  const victim = await registerClient(service, { slug: 'victim' });
  const editor = await registerClient(service, { slug: 'editor', kind: 'administrators', scopes: ['workloads:write'] });
  const token = await workloadToken(service, editor, `${service.config.issuerUrl}/v1`);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const add = (jwk: object) =>
    service.call(
      'POST',
      `/v1/workloads/${victim.id}/keys`,
      { jwk },
      { token, headers: { 'countersign-reason': 'mine%20now' } },
    );
  t.equal((await add(publicKey.export({ format: 'jwk' }))).status, 201, 'without grants');
  await service.call('POST', '/v1/grants', { workload: victim.id, selector: { all: true } });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  t.match(await add(other.export({ format: 'jwk' })), {
    status: 403,
    body: { code: 'scope_not_held', hint: /grants:write|own key/ },
  });
  const own = await workloadToken(service, victim, `${service.config.issuerUrl}/v1`);
  t.equal(
    (
      await service.call(
        'POST',
        `/v1/workloads/${victim.id}/keys`,
        { jwk: other.export({ format: 'jwk' }) },
        { token: own },
      )
    ).status,
    201,
    'its own key it may rotate',
  );
});

// A platform's token at the token endpoint: asserted or exchanged, the same checks, and what is on record.
import { createHmac, createPublicKey } from 'node:crypto';
import { decodeJwt } from 'jose';
import t from 'tap';
import { postToken, workloadToken } from '../support/service.ts';
import { createStandInKey, nowSeconds, signAs, startStandIn, type StandInKey } from '../support/stand-in-issuer.ts';
import { EXCHANGE, JWT_TYPE, openFederation } from './world.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';
const UID = 'f1a1-uid';
const CLAIMS = { 'kubernetes.io': { namespace: 'payments', serviceaccount: { name: 'billing', uid: UID } } };

const cluster = await startStandIn(t);

t.test('a service account proves its workload, asserted and exchanged, and is on record', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  const { issuerUrl } = service.config;
  const issuer = await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url });
  const billing = await federation.register('billing');
  const other = await federation.register('other');
  const identity = await federation.identify(billing.id, {
    ...{ trusted_issuer: 'cluster', subject: SUBJECT },
    claims: { '/kubernetes.io/serviceaccount/uid': UID },
  });
  const jti = 'a-jti';
  const token = await cluster.sign({ sub: SUBJECT, aud: [issuerUrl], jti, ...CLAIMS, exp: nowSeconds() + 100 });

  const asserted = await federation.assert(token, billing.id);
  t.equal(asserted.status, 200, JSON.stringify(asserted.body));
  t.equal(asserted.body.issued_token_type, undefined);
  const claims = decodeJwt(asserted.body.access_token);
  t.match(claims, { sub: billing.id, client_id: billing.id, aud: `${issuerUrl}/v1/credentials` });
  t.ok((claims.exp as number) <= (decodeJwt(token).exp as number), 'it ends with its proof');

  const exchanged = await federation.exchange(token);
  t.match(exchanged, {
    status: 200,
    body: { token_type: 'Bearer', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
  });
  t.equal(exchanged.headers.get('cache-control'), 'no-store');
  t.equal((await federation.exchange(token, { client_id: billing.id })).status, 200, 'shown again, as pods do');
  t.match(await federation.exchange(token, { client_id: other.id }), {
    status: 400,
    body: { error: 'invalid_request' },
  });
  t.match(await federation.assert(token, other.id), { status: 401, body: { error: 'invalid_client' } });

  const { body: audit } = await service.call('GET', `/v1/audit?kind=token.minted&workload=${billing.id}`);
  t.equal(audit.items.length, 3);
  t.match(audit.items[0].details, {
    ...{ identity, trusted_issuer: issuer, external_subject: SUBJECT, proof_jti: jti },
    proof_kid: cluster.keys[0]?.kid,
  });
  const { body: discovery } = await service.call('GET', '/.well-known/openid-configuration', undefined, {
    token: null,
  });
  t.match(discovery.grant_types_supported, ['client_credentials', EXCHANGE]);

  await service.call('PATCH', `/v1/workloads/${billing.id}`, { max_outlive_seconds: 60 });
  await federation.exchange(token);
  const longer = decodeJwt((await federation.exchange(token)).body.access_token);
  const past = (longer.exp as number) - (decodeJwt(token).exp as number);
  t.ok(past > 0 && past <= 60, `by what the workload may outlive it: ${past} s`);
});

t.test('what the two grants are asked with', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'cluster', subject: SUBJECT });
  const token = await cluster.sign({ sub: SUBJECT, aud: service.config.issuerUrl });
  const refused = async (more: Record<string, string>, expected: RegExp): Promise<void> => {
    const answer = await federation.exchange(token, more);
    t.match(answer, { status: 400, body: { error: 'invalid_request', error_description: expected } });
  };
  await refused({ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, /subject_token_type/);
  await refused({ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, /requested_token_type/);
  await refused({ client_assertion: token }, /one way/);
  await refused({ actor_token: token }, /unknown parameter/);
  t.match(await federation.assert(token, billing.id, { subject_token: token }), { body: { error: 'invalid_request' } });
  t.match(await federation.assert(token, ''), { body: { error_description: /client_id is required/ } });
  t.match(await federation.exchange(token, { resource: '' }), { body: { error: 'invalid_target' } });
  t.match(await federation.exchange(token, { resource: service.config.issuerUrl }), {
    body: { error: 'invalid_target' },
  });
  const form = { grant_type: EXCHANGE, subject_token_type: JWT_TYPE, resource: `${service.config.issuerUrl}/v1` };
  t.match(await postToken(service.url, form), { status: 400, body: { error_description: /malformed|base64url/ } });
});

t.test('our own tokens are never exchanged', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  const billing = await federation.register('billing');
  const own = await workloadToken(service, billing, `${service.config.issuerUrl}/v1/credentials`);
  t.match(await federation.exchange(own), { status: 400, body: { error_description: /one of ours/ } });
  t.match(await federation.assert(own, billing.id), { status: 401, body: { error_description: /one of ours/ } });
  for (const issuer of [
    service.config.issuerUrl,
    `${service.config.issuerUrl}/c/is_x`,
    `${service.config.issuerUrl}/`,
  ]) {
    const trusted = await service.call('POST', '/v1/trusted-issuers', { name: 'myself', kind: 'oidc', issuer });
    t.match(trusted, { status: 400, body: { code: 'trusted_issuer_refused' } }, issuer);
  }
});

t.test('a token is refused for each of its faults', async (t) => {
  // Its own: what it is asked is counted.
  const cluster = await startStandIn(t);
  const stranger = await startStandIn(t);
  const federation = await openFederation(t);
  const { issuerUrl } = federation.service.config;
  await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url, algorithms: ['RS256'] });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'cluster', subject: SUBJECT });
  const good = { sub: SUBJECT, aud: issuerUrl };
  const now = nowSeconds();
  const [key] = cluster.keys as [StandInKey];
  // A key that names no algorithm could be used with each of its kind.
  const { alg: _, ...jwk } = key.jwk;
  await cluster.publish([{ ...key, jwk }]);
  const unproved = /not trusted here, or did not sign it/;
  const sameKid = createStandInKey('RS256', key.kid);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const payload = { ...good, iss: cluster.url, iat: now, exp: now + 300 };
  const pem = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
  const unsigned = `${part({ alg: 'HS256', kid: key.kid })}.${part(payload)}`;
  const faults: [string, Promise<string> | string, RegExp][] = [
    ['another issuer that nobody trusts', stranger.sign(good), unproved],
    ["another issuer's key under this one's name", stranger.sign({ ...good, iss: cluster.url }), unproved],
    ['another key by that kid', signAs(sameKid, payload), unproved],
    ['HS256 by the public key', `${unsigned}.${createHmac('sha256', pem).update(unsigned).digest('base64url')}`, /alg/],
    ['no signature', `${part({ alg: 'none', kid: key.kid })}.${part(payload)}.AA`, /alg/],
    ['an algorithm that is not allowed', cluster.sign(good, { alg: 'PS256' }), unproved],
    ['another audience', cluster.sign({ ...good, aud: 'https://vault.example' }), /audience \(aud\) must be/],
    ["the credentials endpoint's audience", cluster.sign({ ...good, aud: `${issuerUrl}/v1/credentials` }), /must be/],
    ['two audiences', cluster.sign({ ...good, aud: [issuerUrl, 'https://vault.example'] }), /one audience/],
    ['no audience', cluster.sign({ ...good, aud: undefined }), /audience/],
    ['an empty list of audiences', cluster.sign({ ...good, aud: [] }), /audience/],
    ['a list in a list', cluster.sign({ ...good, aud: [[issuerUrl]] }), /audience/],
    ['expired', cluster.sign({ ...good, iat: now - 400, exp: now - 1 }), /expired/],
    ['no end', cluster.sign({ ...good, exp: undefined }), /exp/],
    ['an end in text', cluster.sign({ ...good, exp: String(now + 300) }), /exp/],
    ['a year', cluster.sign({ ...good, exp: now + 31_536_000 }), /lives longer than 86400 s/],
    ['from the future', cluster.sign({ ...good, iat: now + 120 }), /iat is in the future/],
    ['not yet', cluster.sign({ ...good, nbf: now + 120 }), /nbf is in the future/],
    ['no iat', cluster.sign({ ...good, iat: undefined }), /iat/],
    ['another subject', cluster.sign({ ...good, sub: `${SUBJECT}2` }), /no workload has this identity/],
    ['a list as subject', cluster.sign({ ...good, sub: [SUBJECT] }), /sub/],
    ['a NUL in the subject', cluster.sign({ ...good, sub: 'a\u0000' }), /sub/],
    ['an access token', cluster.sign(good, { typ: 'at+jwt' }), /another kind/],
    ['no kid', cluster.sign(good, { kid: undefined }), /kid/],
    ['a kid that it does not have', cluster.sign(good, { kid: 'x' }), unproved],
    ['jku', cluster.sign(good, { jku: `${stranger.url}/jwks` }), /jku/],
    ['jwk', cluster.sign(good, { jwk: stranger.keys[0]?.jwk }), /jwk/],
  ];
  t.equal((await federation.exchange(await cluster.sign(good))).status, 200, 'and without a fault it is taken');
  for (const [name, token, expected] of faults) {
    const text = await token;
    const exchanged = await federation.exchange(text);
    t.match(exchanged, { status: 400, body: { error: 'invalid_request', error_description: expected } }, name);
    const asserted = await federation.assert(text, billing.id);
    t.match(asserted, { status: 401, body: { error: 'invalid_client' } }, `${name}, asserted`);
  }
  t.same(await stranger.asked(), [], 'nothing of a token is followed');
  t.same(
    await cluster.asked(),
    ['/.well-known/openid-configuration', '/jwks'],
    'and an unknown kid asks once a minute at most',
  );
});

t.test('a one-time token is taken once, however many show it at once', async (t) => {
  const company = await startStandIn(t, 'ES256');
  const federation = await openFederation(t);
  const aud = federation.service.config.issuerUrl;
  await federation.trust({ name: 'company', kind: 'oidc', issuer: company.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'company', subject: 'svc-billing' });
  const sign = (claims: object = {}): Promise<string> =>
    company.sign({ sub: 'svc-billing', aud, jti: 'one', ...claims });
  const token = await sign();
  const answers = await Promise.all(Array.from({ length: 10 }, () => federation.exchange(token)));
  t.equal(answers.filter(({ status }) => status === 200).length, 1);
  t.match(
    answers.find(({ status }) => status !== 200),
    { status: 400, body: { error_description: /used before/ } },
  );
  t.equal((await federation.exchange(await sign({ exp: nowSeconds() + 200 }))).status, 400, 'another text of one jti');
  t.equal((await federation.exchange(await sign({ jti: 'two' }))).status, 200);
  t.match(await federation.exchange(await sign({ jti: undefined })), { body: { error_description: /no jti/ } });
  await federation.service.call('PATCH', '/v1/trusted-issuers/company', { one_time: false });
  const shown = await sign({ jti: undefined });
  for (const time of ['once', 'twice'])
    t.equal((await federation.exchange(shown)).status, 200, `${time}: trusted for tokens shown many times`);
});

t.test('what is taken away works no more, from its commit', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url });
  const billing = await federation.register('billing');
  const identity = await federation.identify(billing.id, { trusted_issuer: 'cluster', subject: SUBJECT });
  const token = await cluster.sign({ sub: SUBJECT, aud: service.config.issuerUrl });
  const status = async (): Promise<number> => (await federation.exchange(token)).status;
  t.equal(await status(), 200);
  const api = (await federation.exchange(token, { resource: `${service.config.issuerUrl}/v1` })).body.access_token;
  const ask = async (): Promise<number> => (await service.call('GET', '/v1/whoami', undefined, { token: api })).status;
  t.equal(await ask(), 200);
  await service.call('PATCH', '/v1/trusted-issuers/cluster', { state: 'suspended' });
  t.equal(await status(), 400, 'of a suspended issuer');
  t.equal(await ask(), 401, 'nor by an API token that is out');
  await service.call('PATCH', '/v1/trusted-issuers/cluster', { state: 'active' });
  t.equal(await status(), 200);
  t.equal(await ask(), 200);
  await service.call('PATCH', `/v1/workloads/${billing.id}`, { state: 'suspended' });
  t.match(await federation.exchange(token), { status: 400, body: { error: 'unauthorized_client' } });
  await service.call('PATCH', `/v1/workloads/${billing.id}`, { state: 'active' });
  await service.call('PATCH', `/v1/workloads/${billing.id}/identities/${identity}`, { report_only: true });
  t.equal(await status(), 400, 'an identity that only reports');
  const { body: audit } = await service.call('GET', `/v1/audit?kind=identity.reported&workload=${billing.id}`);
  t.match(audit.items, [{ details: { code: identity } }], 'and it does');
  await service.call('PATCH', `/v1/workloads/${billing.id}/identities/${identity}`, { report_only: false });
  t.equal(await status(), 200);
  t.match(await service.call('DELETE', '/v1/trusted-issuers/cluster'), { status: 409 }, 'while it is in use');
  t.equal((await service.call('DELETE', `/v1/workloads/${billing.id}/identities/${identity}`)).status, 204);
  t.equal(await status(), 400);
  t.equal((await service.call('DELETE', '/v1/trusted-issuers/cluster')).status, 204);
});

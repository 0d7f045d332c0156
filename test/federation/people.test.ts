// People who prove who they are by a sign-in at their company's issuer: as administrators, and as workloads of laptops.
import { createHmac, createPublicKey } from 'node:crypto';
import { decodeJwt } from 'jose';
import t, { type Test } from 'tap';
import type { Transaction } from '../../src/db/connect.ts';
import { engine } from '../support/databases.ts';
import { untilBlocked } from '../support/overlap.ts';
import { registerClient } from '../support/service.ts';
import { createStandInKey, nowSeconds, signAs, startStandIn, type StandInKey } from '../support/stand-in-issuer.ts';
import { CLIENT_ID, GOOD, REFUSED, TAKEN } from './sign-ins.ts';
import { ID_TOKEN_TYPE, openFederation } from './world.ts';

const ANA = GOOD.sub;
const SCOPES = ['workloads:read', 'workloads:write', 'grants:write', 'administrators:write', 'audit:read'];

const company = await startStandIn(t);

/** A service that trusts the company for sign-ins; one of its people is the administrator `ana`. */
async function openCompany(t: Test) {
  const federation = await openFederation(t);
  const { service } = federation;
  const login = { client_id: CLIENT_ID, scopes: ['email'] };
  const issuer = await federation.trust({ name: 'acme', kind: 'oidc', issuer: company.url, login });
  const created = await service.call('POST', '/v1/administrators', { slug: 'ana', scopes: SCOPES });
  const ana = created.body.id as string;
  const bound = await service.call('POST', `/v1/administrators/${ana}/identities`, {
    ...{ trusted_issuer: 'acme', subject: ANA },
  });
  t.match(bound, { status: 201, body: { id: /^pi_/, administrator: ana, person: true } }, JSON.stringify(bound.body));
  const sign = (claims: object = {}, header?: Record<string, unknown>): Promise<string> =>
    company.sign({ ...GOOD, ...claims }, header);
  return { federation, service, issuer, ana, identity: bound.body.id as string, sign };
}

t.test('an administrator signs in without a key, and what she does is on record with her name', async (t) => {
  const { federation, service, issuer, ana, identity, sign } = await openCompany(t);
  const { issuerUrl } = service.config;
  t.match(await service.call('GET', '/v1/login', undefined, { token: null }), {
    status: 200,
    body: { issuers: [{ name: 'acme', issuer: company.url, client_id: CLIENT_ID, scopes: ['openid', 'email'] }] },
  });
  const end = nowSeconds() + 200;
  const shown = await sign({ exp: end });
  const answer = await federation.signIn(shown);
  t.match(answer, { status: 200, body: { issued_token_type: /access_token$/, scope: SCOPES.join(' ') } });
  const token = answer.body.access_token as string;
  t.match(decodeJwt(token), { sub: ana, aud: `${issuerUrl}/v1`, as: GOOD.email });
  t.ok((decodeJwt(token).exp as number) <= end, 'it ends with the sign-in');
  t.equal((await federation.signIn(shown, { client_id: ana })).status, 200, 'shown again, until it ends');
  t.match(await service.call('GET', '/v1/whoami', undefined, { token }), {
    body: { kind: 'administrator', slug: 'ana', as: GOOD.email },
  });
  const reason = encodeURIComponent('a new job');
  const headers = { 'countersign-reason': reason };
  t.equal((await service.call('POST', '/v1/workloads', { slug: 'job' }, { token, headers })).status, 201);
  const { body: minted } = await service.call('GET', `/v1/audit?kind=token.minted&actor=${ana}`);
  t.match(minted.items[0].details, {
    ...{ identity, trusted_issuer: issuer, external_subject: ANA, person: GOOD.email },
    proof_kid: company.keys[0]?.kid,
  });
  const { body: acts } = await service.call('GET', '/v1/audit?kind=workload.created');
  t.match(acts.items[0], { actor: ana, details: { as: GOOD.email, reason: 'a new job', jti: decodeJwt(token).jti } });
  t.match(await federation.signIn(shown, { resource: `${issuerUrl}/v1/credentials` }), {
    body: { error: 'invalid_target' },
  });
  t.match(await federation.signIn(shown, { scope: 'keys:revoke' }), { body: { error: 'invalid_scope' } });
});

t.test('a sign-in is taken or refused', async (t) => {
  const { federation, service, ana, sign } = await openCompany(t);
  const told: Record<string, unknown> = {
    '{{issuer_url}}': service.config.issuerUrl,
    '{{tomorrow}}': nowSeconds() + 86_400,
  };
  const filled = (claims: Record<string, unknown> = {}): object =>
    Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, told[value as string] ?? value]));
  for (const [name, { claims, header }] of Object.entries(TAKEN)) {
    const answer = await federation.signIn(await sign(claims, header));
    t.match(answer, { status: 200 }, `${name}: ${JSON.stringify(answer.body)}`);
  }
  for (const [name, { claims, header, why }] of Object.entries(REFUSED)) {
    const answer = await federation.signIn(await sign(filled(claims), header));
    t.match(answer, { status: 400, body: { error: 'invalid_request', error_description: why } }, name);
  }
  const [key] = company.keys as [StandInKey];
  const now = nowSeconds();
  const payload = { ...GOOD, iss: company.url, iat: now, exp: now + 300 };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hmac = `${part({ alg: 'HS256', kid: key.kid })}.${part(payload)}`;
  const unsigned: Record<string, string> = {
    'by the client secret': `${hmac}.${createHmac('sha256', 'a client secret').update(hmac).digest('base64url')}`,
    'by the public key': `${hmac}.${createHmac(
      'sha256',
      createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' }),
    )
      .update(hmac)
      .digest('base64url')}`,
    'by nobody': `${part({ alg: 'none', kid: key.kid })}.${part(payload)}.AA`,
    "by another's key of that kid": await signAs(createStandInKey('RS256', key.kid), payload),
    "by a key of the issuer's, with an algorithm that is not its own": await company.sign(GOOD, { alg: 'PS256' }),
  };
  for (const [name, token] of Object.entries(unsigned))
    t.match(await federation.signIn(token), { status: 400, body: { error: 'invalid_request' } }, `signed ${name}`);
  t.match(await federation.signIn(await sign(), { client_id: `ad_${'a'.repeat(26)}` }), { status: 400 });

  t.comment('its name in the records is one that people can read');
  const unsafe = ['a\nb', 'a\u202eb', 'x'.repeat(101), 7, ['a'], ''];
  const shown: [object, string | undefined][] = [
    ...unsafe.map((email): [object, string] => [{ email }, 'ana']),
    ...[false, 'false', 'False', 0, null].map((email_verified): [object, string] => [{ email_verified }, 'ana']),
    [{ email_verified: 'true' }, GOOD.email],
    [{ email_verified: undefined }, GOOD.email],
    [{ email: 'Zoë Ünal (ops)' }, 'Zoë Ünal (ops)'],
    [{ email: undefined, preferred_username: undefined }, undefined],
  ];
  for (const [claims, name] of shown) {
    const answer = await federation.signIn(await sign(claims));
    t.equal(decodeJwt(answer.body.access_token as string)['as'], name ?? ANA, JSON.stringify(claims));
    const { body } = await service.call('GET', `/v1/audit?kind=token.minted&actor=${ana}&limit=1`);
    t.equal(body.items[0].details.person, name);
  }

  t.comment('and is nothing but an exchange');
  const good = await sign();
  t.match(await federation.assert(good, ana), { status: 401, body: { error: 'invalid_client' } }, 'asserted');
  t.match(await federation.exchange(good, { resource: `${service.config.issuerUrl}/v1` }), { status: 400 }, 'as a jwt');
  const path = `/v1/connections/cn_${'a'.repeat(26)}/credentials`;
  t.match(await service.call('GET', path, undefined, { token: good }), { status: 401 }, 'for credentials');
  t.match(await service.call('GET', '/v1/whoami', undefined, { token: good }), { status: 401 }, 'at the API');
});

t.test('neither a platform’s token is a sign-in, nor a sign-in a platform’s token', async (t) => {
  const { federation, service, sign } = await openCompany(t);
  const { issuerUrl } = service.config;
  const resource = `${issuerUrl}/v1/credentials`;
  const job = await federation.register('job');
  const laptop = await federation.register('laptop');
  await federation.identify(job.id, { trusted_issuer: 'acme', subject: 'job' });
  await federation.identify(laptop.id, { trusted_issuer: 'acme', subject: 'carol', person: true });
  const platforms = (sub: string): Promise<string> => company.sign({ sub, aud: issuerUrl, jti: `${Math.random()}` });
  const subOf = ({ body }: { body: Record<string, string> }): unknown => decodeJwt(body['access_token'] as string).sub;
  t.equal(subOf(await federation.exchange(await platforms('job'))), job.id);
  t.equal(subOf(await federation.signIn(await sign({ sub: 'carol' }), { resource })), laptop.id);
  for (const [name, answer] of Object.entries({
    "a platform's token for a person": federation.exchange(await platforms('carol')),
    'the same, said to be a sign-in': federation.signIn(await platforms('carol'), { resource }),
    'a sign-in for a platform’s identity': federation.signIn(await sign({ sub: 'job' }), { resource }),
    'the same, said to be a platform’s': federation.exchange(await sign({ sub: 'job' })),
    'the same, asserted': federation.assert(await sign({ sub: 'job' }), job.id),
    'with the right audience, and not for a person': federation.exchange(
      await company.sign({ sub: ANA, aud: issuerUrl, jti: 'x' }),
    ),
  }))
    t.match(await answer, { status: /400|401/ }, name);
});

t.test('a person who is an administrator and a workload says which, or is what the resource is for', async (t) => {
  const { federation, service, ana, sign } = await openCompany(t);
  const { issuerUrl } = service.config;
  const laptop = await registerClient(service, { slug: 'laptop', scopes: ['workloads:read'] });
  await service.call('PATCH', `/v1/workloads/${laptop.id}`, { max_outlive_seconds: 600 });
  await federation.identify(laptop.id, { trusted_issuer: 'acme', subject: ANA, person: true });
  const end = nowSeconds() + 200;
  const token = await sign({ exp: end });
  const claimsOf = async (more: Record<string, string>) => {
    const answer = await federation.signIn(token, more);
    t.equal(answer.status, 200, JSON.stringify(answer.body));
    return decodeJwt(answer.body.access_token as string);
  };
  const [api, credentials] = [`${issuerUrl}/v1`, `${issuerUrl}/v1/credentials`];
  t.match(await claimsOf({ resource: api }), { sub: ana });
  t.match(await claimsOf({ resource: api, client_id: laptop.id }), { sub: laptop.id });
  const given = await claimsOf({ resource: credentials });
  t.match(given, { sub: laptop.id, as: undefined }, 'no name to others than the API');
  t.ok((given.exp as number) <= end, 'it does not outlive a sign-in');
});

t.test('what is taken away lets nobody in, from its commit', async (t) => {
  const { federation, service, ana, identity, sign } = await openCompany(t);
  const token = await sign();
  const status = async (): Promise<number> => (await federation.signIn(token)).status;
  const path = `/v1/administrators/${ana}/identities/${identity}`;
  const change = async (where: string, body: object): Promise<void> => {
    t.equal((await service.call('PATCH', where, body)).status, 200);
  };
  t.equal(await status(), 200);
  for (const [where, off, on] of [
    ['/v1/trusted-issuers/acme', { state: 'suspended' }, { state: 'active' }],
    ['/v1/trusted-issuers/acme', { login: null }, { login: { client_id: CLIENT_ID } }],
    ['/v1/trusted-issuers/acme', { login: { client_id: 'another' } }, { login: { client_id: CLIENT_ID } }],
    ['/v1/administrators/ana', { state: 'suspended' }, { state: 'active' }],
    [path, { report_only: true }, { report_only: false }],
  ] as const) {
    await change(where, off);
    t.equal(await status(), 400, JSON.stringify(off));
    await change(where, on);
    t.equal(await status(), 200);
  }
  const { body: reported } = await service.call('GET', `/v1/audit?kind=identity.reported&actor=${ana}`);
  t.match(reported.items, [{ details: { code: identity } }]);
  t.match(await service.call('DELETE', '/v1/trusted-issuers/acme'), { status: 409 }, 'while it is in use');
  const access = (await federation.signIn(token)).body.access_token as string;
  t.equal((await service.call('GET', '/v1/workloads', undefined, { token: access })).status, 200);
  await change('/v1/administrators/ana', { state: 'suspended' });
  t.equal((await service.call('GET', '/v1/workloads', undefined, { token: access })).status, 403, 'her token neither');
  await change('/v1/administrators/ana', { state: 'active' });
  const ask = () => service.call('GET', '/v1/workloads', undefined, { token: access });
  for (const [where, off, on] of [
    ['/v1/trusted-issuers/acme', { state: 'suspended' }, { state: 'active' }],
    ['/v1/trusted-issuers/acme', { login: null }, { login: { client_id: CLIENT_ID } }],
    [path, { report_only: true }, { report_only: false }],
  ] as const) {
    await change(where, off);
    t.match(await ask(), { status: 401, body: { code: 'invalid_token' } }, `nor after ${JSON.stringify(off)}`);
    await change(where, on);
    t.equal((await ask()).status, 200);
  }
  t.equal((await service.call('DELETE', path)).status, 204);
  t.equal(await status(), 400);
  t.match(await ask(), { status: 401, body: { code: 'invalid_token', hint: /give this client an identity/ } });
  const { body: audit } = await service.call('GET', '/v1/audit?limit=100');
  const kinds = audit.items.map(({ kind }: { kind: string }) => kind);
  for (const verb of ['added', 'updated', 'deleted']) t.ok(kinds.includes(`administrator.identity_${verb}`), verb);
});

t.test('whoever lets people in holds what they get', async (t) => {
  const { federation, service, ana } = await openCompany(t);
  const scopes = ['administrators:write', 'workloads:write', 'grants:write'] as const;
  const token = await service.hostToken([...scopes]);
  const held = await service.hostToken(['workloads:write', 'grants:write', 'workloads:read', 'audit:read']);
  const as = { token };
  const wanted = { trusted_issuer: 'acme', subject: 'mallory' };
  const refused = { status: 403, body: { code: 'scope_not_held' } };
  t.match(await service.call('POST', `/v1/administrators/${ana}/identities`, wanted, as), refused);
  const change = { login: { client_id: 'mallory' } };
  t.match(await service.call('PATCH', '/v1/trusted-issuers/acme', change, as), refused, 'nor the issuer');
  t.match(await service.call('PATCH', '/v1/trusted-issuers/acme', change, { token: held }), refused);
  t.match(await service.call('DELETE', '/v1/trusted-issuers/acme', undefined, as), refused);
  const bob = await service.call('POST', '/v1/administrators', { slug: 'bob' }, as);
  t.equal((await service.call('POST', `/v1/administrators/${bob.body.id}/identities`, wanted, as)).status, 201);
  const job = await federation.register('job');
  t.match(
    await service.call('POST', `/v1/workloads/${job.id}/identities`, { ...wanted, person: true }, as),
    { status: 201, body: { person: true } },
    'of an administrator and of a workload',
  );
  for (const [slug, noun] of [
    ['other', 'workloads'],
    ['carol', 'administrators'],
  ] as const) {
    const { body } = await service.call('POST', `/v1/${noun}`, { slug });
    const given = { ...wanted, ...(noun === 'workloads' ? { person: true } : {}) };
    const second = await service.call('POST', `/v1/${noun}/${body.id}/identities`, given);
    t.match(second, { status: 409, body: { code: 'identity_overlaps' } }, `and of one of the ${noun} alone`);
  }
});

t.test('where people may sign in, and who they may be', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  const { issuerUrl } = service.config;
  const jwks = { keys: [createStandInKey('RS256').jwk] };
  const good = { name: 'acme', kind: 'oidc', issuer: 'https://login.acme.example', login: { client_id: 'c' } };
  for (const [name, more, code] of [
    ['another kind', { kind: 'kubernetes' }, 'trusted_issuer_refused'],
    ['pasted keys', { jwks }, 'trusted_issuer_refused'],
    ["a platform's audience", { login: { client_id: issuerUrl } }, 'trusted_issuer_refused'],
    ['an endpoint of ours', { login: { client_id: `${issuerUrl}/v1` } }, 'trusted_issuer_refused'],
    ['its own audience', { audience: 'urn:a:b', login: { client_id: 'urn:a:b' } }, 'trusted_issuer_refused'],
    ['no client', { login: {} }, 'invalid_request'],
    ['two words for a scope', { login: { client_id: 'c', scopes: ['a b'] } }, 'invalid_request'],
  ] as const)
    t.match(await service.call('POST', '/v1/trusted-issuers', { ...good, ...more }), { body: { code } }, name);
  t.same((await service.call('GET', '/v1/login', undefined, { token: null })).body, { issuers: [] });
  await federation.trust({ ...good, login: undefined });
  const { body: ana } = await service.call('POST', '/v1/administrators', { slug: 'ana' });
  const give = (more: object) =>
    service.call('POST', `/v1/administrators/${ana.id}/identities`, {
      ...{ trusted_issuer: 'acme', subject: 'ana@acme.example', ...more },
    });
  t.match(await give({}), { status: 400, body: { code: 'identity_refused', detail: /Nobody signs in/ } });
  await service.call('PATCH', '/v1/trusted-issuers/acme', { login: { client_id: 'c', scopes: ['openid', 'email'] } });
  t.match(await service.call('PATCH', '/v1/trusted-issuers/acme', { audience: 'c' }), { status: 400 });
  t.match(await give({ subject: 'acme:*' }), { status: 400, body: { code: 'identity_refused' } });
  t.match(await give({ allow_wildcard: true }), { status: 400, body: { code: 'invalid_request' } });
  t.match(await give({ person: false }), { status: 400, body: { code: 'invalid_request' } });
  const job = await federation.register('job');
  const wild = { trusted_issuer: 'acme', subject: 'acme:*', allow_wildcard: true, person: true };
  t.match(await service.call('POST', `/v1/workloads/${job.id}/identities`, wild), {
    body: { detail: /named exactly/ },
  });
  t.match(await give({}), { status: 201, body: { warnings: [{ code: 'name_recyclable' }] } });
  t.match(await service.call('GET', `/v1/administrators/${ana.id}/identities`), {
    body: { items: [{ person: true }] },
  });
  const form = { subject_token_type: ID_TOKEN_TYPE };
  t.match(await federation.exchange('x', form), { status: 400 });
});

t.test('strangers ask where to sign in so many times a second', async (t) => {
  const { service } = await openFederation(t, { env: { RATE_LIMIT_FAILURES_PER_ADDRESS: '1' } });
  const answers = await Promise.all(
    Array.from({ length: 80 }, () => service.call('GET', '/v1/login', undefined, { token: null })),
  );
  const refused = answers.find(({ status }) => status === 429);
  t.match(refused, { status: 429, body: { code: 'rate_limited' } });
  t.ok(refused?.headers.get('retry-after'));
  t.ok(answers.some(({ status }) => status === 200));
});

t.test('a process of before there were people can change an issuer, and then nobody signs in', async (t) => {
  const { federation, service, sign } = await openCompany(t);
  const { db } = service.database;
  const token = await sign();
  t.equal((await federation.signIn(token)).status, 200);
  // As that process does it: it asks nothing of people, and counts the version up.
  await db.transaction().execute(async (trx) => {
    await trx
      .updateTable('trusted_issuers')
      .set({ algorithms: ['RS256'], version: 2 })
      .execute();
    await trx
      .updateTable('policy_epoch')
      .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
      .execute();
  });
  t.equal((await federation.signIn(token)).status, 400, 'from its commit');
  t.match(await federation.signIn(token), { status: 400, body: { error_description: /nobody signs in/ } });
  t.same((await service.call('GET', '/v1/login', undefined, { token: null })).body, { issuers: [] });
  await service.call('PATCH', '/v1/trusted-issuers/acme', { max_token_seconds: 600 });
  const { body: shown } = await service.call('GET', '/v1/trusted-issuers/acme');
  t.match(shown.warnings, [{ code: 'login_left_behind' }, { code: 'not_https' }]);
  t.equal((await federation.signIn(token)).status, 400, 'until somebody says it again');
  await service.call('PATCH', '/v1/trusted-issuers/acme', { login: { client_id: CLIENT_ID } });
  t.equal((await federation.signIn(token)).status, 200);
});

/** An act of ana's begins when `change` is written, and waits for its commit; it is not done. */
async function assertActNotDone(
  t: Test,
  change: (trx: Transaction, ana: string, identity: string) => Promise<unknown>,
) {
  const { federation, service, ana, identity, sign } = await openCompany(t);
  const { db } = service.database;
  const token = (await federation.signIn(await sign())).body.access_token as string;
  const headers = { 'countersign-reason': 'late' };
  let act: Promise<{ status: number }> | undefined;
  await db.transaction().execute(async (trx) => {
    await change(trx, ana, identity);
    act = service.call('POST', '/v1/workloads', { slug: 'late' }, { token, headers });
    // It waits for this one's end; who does not wait is through long before.
    await Promise.race([act, untilBlocked(db)]);
  });
  // With one connection alone it does not come as far as that.
  t.match(await act, { status: engine === 'postgresql' ? 401 : /401|503/ });
  t.equal((await service.call('GET', '/v1/workloads/late')).status, 404);
}

t.test('an act that is under way when its person is taken away is not done', (t) =>
  assertActNotDone(t, async (trx, ana, identity) => {
    await trx.selectFrom('administrators').select('id').where('id', '=', ana).forUpdate().execute();
    await trx.deleteFrom('person_identities').where('id', '=', identity).execute();
  }),
);

t.test('nor is one that is under way when its issuer is suspended', (t) =>
  assertActNotDone(t, async (trx) => {
    await trx.selectFrom('trusted_issuers').select('id').forUpdate().execute();
    await trx.updateTable('trusted_issuers').set({ state: 'suspended' }).execute();
  }),
);

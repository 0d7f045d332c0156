// /v1/trusted-issuers and identities of workloads: what is taken, what is refused and why, and what is on record.
import t from 'tap';
import { addIdentity } from '../../src/identities/change.ts';
import { untilBlocked } from '../support/overlap.ts';
import { createStandInKey } from '../support/stand-in-issuer.ts';
import { openFederation } from './world.ts';

const jwks = { keys: [createStandInKey('RS256').jwk] };
const KIND = { kind: 'kubernetes', issuer: 'https://cluster.example', jwks };

t.test('a trusted issuer: defaults of its kind, changes, records', async (t) => {
  const { service } = await openFederation(t);
  const { issuerUrl } = service.config;
  const created = await service.call('POST', '/v1/trusted-issuers', { name: 'cluster', ...KIND });
  t.match(created, {
    status: 201,
    body: {
      ...{ name: 'cluster', audience: issuerUrl, algorithms: ['RS256', 'ES256'], one_time: false, state: 'active' },
      ...{ max_token_seconds: 86_400, claims: ['/kubernetes.io/serviceaccount/uid'], version: 1 },
      warnings: [{ code: 'keys_pasted' }],
    },
  });
  const path = `/v1/trusted-issuers/${created.body.id}`;
  t.match(await service.call('GET', '/v1/trusted-issuers/cluster/keys'), { body: { kids: [jwks.keys[0]?.['kid']] } });
  const next = { keys: [...jwks.keys, createStandInKey('ES256').jwk] };
  t.match(await service.call('PATCH', path, { jwks: next }), { status: 200, body: { version: 2, name: 'cluster' } });
  t.equal((await service.call('GET', `${path}/keys`)).body.kids.length, 2);
  t.match(await service.call('GET', '/v1/trusted-issuers?limit=1'), { body: { items: [{ name: 'cluster' }] } });
  t.equal((await service.call('DELETE', path)).status, 204);
  t.equal((await service.call('GET', path)).status, 404);
  const { body: audit } = await service.call('GET', '/v1/audit?limit=50');
  const kinds = audit.items
    .map(({ kind }: { kind: string }) => kind)
    .filter((kind: string) => kind.startsWith('trusted'));
  t.same(kinds.sort(), ['trusted_issuer.created', 'trusted_issuer.deleted', 'trusted_issuer.updated']);
});

t.test('what may be trusted', async (t) => {
  const { service, trust } = await openFederation(t);
  await trust({ name: 'cluster', ...KIND });
  const [key] = jwks.keys;
  const refused: [string, Record<string, unknown>, number, string][] = [
    ['a name that is taken', { name: 'cluster', issuer: 'https://other.example' }, 409, 'trusted_issuer_exists'],
    ['an issuer that is taken', {}, 409, 'trusted_issuer_exists'],
    ['a query', { issuer: 'https://cluster.example/?x' }, 400, 'trusted_issuer_refused'],
    ['a fragment', { issuer: 'https://cluster.example/#' }, 400, 'trusted_issuer_refused'],
    ['a user', { issuer: 'https://a:b@cluster.example' }, 400, 'trusted_issuer_refused'],
    ['no URL', { issuer: 'https://:x' }, 400, 'trusted_issuer_refused'],
    ['keys twice', { issuer: 'https://b.example', jwks_uri: 'https://b.example/jwks' }, 400, 'trusted_issuer_refused'],
    ['SPIFFE by discovery', { issuer: 'spiffe://acme.example', jwks: null }, 400, 'trusted_issuer_refused'],
    ['one-time files', { issuer: 'https://b.example', one_time: true }, 400, 'trusted_issuer_refused'],
    ['HS256', { issuer: 'https://b.example', algorithms: ['HS256'] }, 400, 'invalid_request'],
    ['none', { issuer: 'https://b.example', algorithms: ['none'] }, 400, 'invalid_request'],
    ['keys of no algorithm', { issuer: 'https://b.example', algorithms: ['ES384'] }, 400, 'trusted_issuer_refused'],
    ['a private key', { issuer: 'https://b.example', jwks: { keys: [{ ...key, d: 'AAAA' }] } }, 400, 'invalid_request'],
    [
      'a short key',
      { issuer: 'https://b.example', jwks: { keys: [{ ...key, n: 'AQAB' }] } },
      400,
      'trusted_issuer_refused',
    ],
    ["AWS's audience", { issuer: 'https://b.example', audience: 'sts.amazonaws.com' }, 400, 'audience_refused'],
    [
      'an endpoint of ours',
      { issuer: 'https://b.example', audience: `${service.config.issuerUrl}/v1` },
      400,
      'audience_refused',
    ],
  ];
  for (const [name, change, status, code] of refused) {
    const answer = await service.call('POST', '/v1/trusted-issuers', { name: 'another', ...KIND, ...change });
    t.match(answer, { status, body: { code, hint: /\S/ } }, `${name}: ${JSON.stringify(answer.body)}`);
  }
});

t.test('what an identity may be', async (t) => {
  const { service, trust, register } = await openFederation(t);
  await trust({ name: 'github', ...KIND, kind: 'github' });
  const billing = await register('billing');
  const path = `/v1/workloads/${billing.id}/identities`;
  const add = (identity: Record<string, unknown>, headers = {}) =>
    service.call('POST', path, { trusted_issuer: 'github', subject: 'repo:a/b:ref', ...identity }, { headers });
  for (const [name, identity] of Object.entries({
    'a wildcard without its word': { subject: 'repo:a/b:*' },
    'the word without a wildcard': { allow_wildcard: true },
    'a wildcard within': { subject: 'repo:*:ref', allow_wildcard: true },
    'two wildcards': { subject: 'repo:*:*', allow_wildcard: true },
    'a wildcard in a name': { subject: 'repo:a/b*', allow_wildcard: true },
    'a wildcard for all': { subject: '*', allow_wildcard: true },
    'the subject as a claim': { claims: { sub: 'x' } },
    'the audience within': { claims: { '/aud/0': 'x' } },
    'a path of one step': { claims: { '/repository_id': 'x' } },
    'no pointer': { claims: { '/a~2/b': 'x' } },
    'an empty step': { claims: { '/a//b': 'x' } },
  }))
    t.match(await add(identity), { status: 400, body: { code: 'identity_refused', hint: /\S/ } }, name);
  for (const [name, identity] of Object.entries({
    'a list': { claims: { repository_id: ['1'] } },
    'an object': { claims: { repository_id: { a: '1' } } },
    null: { claims: { repository_id: null } },
    'a fraction': { claims: { repository_id: 0.5 } },
    'a name that no claim has': { claims: { 'repository id': { a: ['1'] } } },
    'a name without end': { claims: { ['r'.repeat(201)]: '1' } },
  }))
    t.match(await add(identity), { status: 400, body: { code: 'invalid_request' } }, name);
  t.match(await add({ trusted_issuer: 'nobody' }), { status: 404 });
  const added = await add({ subject: 'repo:a/b:*', allow_wildcard: true }, { 'countersign-reason': 'all%20branches' });
  t.match(added, { status: 201, body: { wildcard_reason: 'all branches', claims: {}, report_only: false } });
  const { body: audit } = await service.call('GET', `/v1/audit?kind=workload.identity_added&workload=${billing.id}`);
  t.match(audit.items[0].details, { identity: added.body.id, subject: 'repo:a/b:*', reason: 'all branches' });
  t.match(await service.call('GET', path), { status: 200, body: { items: [{ id: added.body.id }] } });
});

t.test('one external identity belongs to one workload', async (t) => {
  const { service, trust, register, identify } = await openFederation(t);
  await trust({ name: 'github', ...KIND, kind: 'github' });
  await trust({ name: 'other', ...KIND, kind: 'github', issuer: 'https://other.example' });
  const [billing, ledger] = [await register('billing'), await register('ledger')];
  const mine = { trusted_issuer: 'github', subject: 'repo:a/b:ref:main', claims: { repository_id: '1' } };
  await identify(billing.id, mine);
  const theirs = (identity: Record<string, unknown>) =>
    service.call('POST', `/v1/workloads/${ledger.id}/identities`, { ...mine, ...identity });
  const wild = { allow_wildcard: true };
  for (const [name, identity] of Object.entries({
    'the same': {},
    'with no claims': { claims: {} },
    'with another claim': { claims: { environment: 'prod' } },
    'a wildcard over it': { subject: 'repo:a/b:*', ...wild },
    'a wider one': { subject: 'repo:a/*', ...wild },
  }))
    t.match(await theirs(identity), { status: 409, body: { code: 'identity_overlaps', hint: /\S/ } }, name);
  const apart = [
    { claims: { repository_id: '2' } },
    { subject: 'repo:a/b:ref:dev' },
    { subject: 'repo:a/b:environment:*', ...wild },
    { trusted_issuer: 'other' },
  ];
  for (const identity of apart) t.equal((await theirs(identity)).status, 201, JSON.stringify(identity));
  t.match(
    await service.call('POST', `/v1/workloads/${billing.id}/identities`, {
      ...mine,
      subject: 'repo:a/b:environment:prod',
    }),
    { status: 409 },
    'under a wildcard of theirs',
  );
  const reported = await theirs({ report_only: true });
  t.equal(reported.status, 201, 'one that only reports');
  const path = `/v1/workloads/${ledger.id}/identities/${reported.body.id}`;
  t.match(await service.call('PATCH', path, { report_only: false }), {
    status: 409,
    body: { code: 'identity_overlaps' },
  });
});

t.test('of two that are given one identity at once, at two replicas, one gets it', async (t) => {
  const { service, trust, register } = await openFederation(t);
  await trust({ name: 'github', ...KIND, kind: 'github' });
  const [billing, ledger] = [await register('billing'), await register('ledger')];
  const { db } = service.database;
  const wanted = { trusted_issuer: 'github', subject: 'repo:a/c:ref' };
  const give = (workload: string, meanwhile?: () => Promise<unknown>) =>
    db.transaction().execute(async (trx) => {
      await addIdentity(trx, { id: workload, person: false }, wanted, undefined);
      await meanwhile?.();
    });
  let second: Promise<string> | undefined;
  await give(billing.id, async () => {
    second = give(ledger.id).then(
      () => 'given twice',
      ({ code }: { code: string }) => code,
    );
    // It waits for this one's end; who does not wait is through long before.
    await Promise.race([second, untilBlocked(db)]);
  });
  t.equal(await second, 'identity_overlaps');
});

// /v1/connections: what can be registered, read, changed and ended; who may; and that a refused request changes nothing.
import t from 'tap';
import type { Scope } from '../../src/http/scopes.ts';
import { createId } from '../../src/ids.ts';
import { ACCOUNT, ISSUER_URL, NEW, openApi, refused } from './api.ts';

const WRITE: Scope[] = ['connections:write'];

t.test('a connection is registered with an issuer and a ring of its own', async (t) => {
  const api = await openApi(t);
  const epoch = await api.epoch();
  const { status, body } = await api.call('POST', '/v1/connections', NEW, { scopes: WRITE });
  t.equal(status, 201);
  t.match(body, {
    ...{ id: /^cn_[a-z2-7]{26}$/, reference: null, name: 'Example', tenant: 'default', labels: {}, state: 'pending', state_reason: '' },
    ...{ algorithm: 'ES256', max_session_seconds: 3600, source_identity: false, session_tags: false, generation: 1, verification: null },
    issuer: { id: /^is_[a-z2-7]{26}$/, url: `${ISSUER_URL}/c/${body.issuer.id}` },
    aws: { account_id: ACCOUNT, partition: 'aws', region: 'us-east-1', role_id: null, permission_set: 'core', additions: [], custom_policy: null, verified_at: null },
  });
  t.equal(body.subject, body.id);
  t.equal(body.aws.role_name, `countersign-${body.id.slice(3, 13)}`);
  t.equal(body.aws.role_arn, `arn:aws:iam::${ACCOUNT}:role/${body.aws.role_name}`);
  t.same(api.rings, ['prepare ES256', `insert ${body.issuer.id}`]);
  t.ok((await api.epoch()) > epoch, 'grants by tenant, label and all may reach it now');
  t.match(await api.records('connection.'), [{ kind: 'connection.created', connection: body.id, actor: 'host', details: { role_arn: body.aws.role_arn } }]);
  t.same((await api.call('GET', `/v1/connections/${body.id}`)).body, body);
});

t.test('every member can be given', async (t) => {
  const api = await openApi(t);
  const given = {
    ...{ name: 'Ünïcode 🚀', reference: 'acme.prod-1', tenant: 'acme', labels: { env: 'prod', 'team/owner': 'a=b' }, algorithm: 'RS256' },
    ...{ max_session_seconds: 43_200, source_identity: true, session_tags: true },
    aws: { account_id: ACCOUNT, partition: 'aws-cn', region: 'cn-northwest-1', role_name: 'Their@Role', permission_set: 'core', additions: ['s3', 'sqs'] },
  };
  const created = await api.create(given);
  t.match(created, { ...given, aws: { ...given.aws, role_arn: `arn:aws-cn:iam::${ACCOUNT}:role/Their@Role` } });
  t.same((await api.call('GET', '/v1/connections/acme.prod-1')).body, created, 'the reference is usable in paths');
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::b/${aws:username}/*', Condition: { StringLike: { 'aws:PrincipalTag/team': ['a*'] } } }] };
  const custom = await api.create({ aws: { account_id: ACCOUNT, permission_set: 'custom', custom_policy: policy } });
  t.same(custom.aws.custom_policy, policy);
  for (const [partition, region] of [['aws-us-gov', 'us-gov-west-1'], ['aws-eusc', 'eusc-de-east-1'], ['aws-cn', 'cn-north-1']]) {
    t.equal((await api.create({ aws: { ...NEW.aws, partition } })).aws.region, region, 'a region of the partition');
    t.equal((await api.create({ aws: { ...NEW.aws, region } })).aws.partition, partition, 'the partition of the region');
  }
});

t.test('bad input is refused with a code and a hint, and changes nothing', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create({ reference: 'taken' });
  const before = await api.snapshot();
  const aws = NEW.aws;
  const statement = { Effect: 'Allow', Action: '*', Resource: '*' };
  const custom = (policy: unknown) => ({ aws: { ...aws, permission_set: 'custom', custom_policy: policy } });
  const withStatement = (more: object) => custom({ Version: '2012-10-17', Statement: [{ ...statement, ...more }] });
  const bad: object[] = [
    ...['', 'x'.repeat(129), 'a\u0000b', 'a\nb', 'lone \ud800 surrogate', 7, null].map((name) => ({ name })),
    ...['cn_abc', 'wl_x', 'is_', '..', '.', 'a/b', 'ü', '', 'x'.repeat(65)].map((reference) => ({ reference })),
    ...['', 'a\u0007', 'x'.repeat(257)].map((tenant) => ({ tenant })),
    ...[{ 'a=b': 'c' }, { '': 'c' }, { a: 1 }, { a: '\u0000' }, { '-a': 'b' }, [], Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, '']))].map((labels) => ({ labels })),
    ...[899, 43_201, 900.5, '3600'].map((max_session_seconds) => ({ max_session_seconds })),
    ...[{ algorithm: 'none' }, { algorithm: 'PS256' }, { source_identity: 'true' }, { session_tags: 1 }],
    ...[{ state: 'active' }, { subject: 'x' }, { issuer: 'x' }, { id }, { extra: 1 }, { aws: null }, { aws: [] }],
    ...['12345678901', '1234567890123', 111122223333, '１２３４５６７８９０１２'].map((account_id) => ({ aws: { ...aws, account_id } })),
    ...['aws-iso', ''].map((partition) => ({ aws: { ...aws, partition } })),
    ...['us-east-9', 'us-east-1.evil.example', '../x'].map((region) => ({ aws: { ...aws, region } })),
    { aws: { ...aws, partition: 'aws-cn', region: 'eu-west-1' } },
    ...['', 'a/b', 'a b', 'x'.repeat(65), 'a"b', '${AWS::AccountId}', 'ü'].map((role_name) => ({ aws: { ...aws, role_name } })),
    ...['root', undefined].map((permission_set) => ({ aws: { ...aws, permission_set } })),
    ...[['s3', 's3'], ['ec2'], 's3'].map((additions) => ({ aws: { ...aws, additions } })),
    { aws: { ...aws, permission_set: 'read-only', additions: ['s3'] } },
    { aws: { ...aws, role_arn: 'arn:aws:iam::999999999999:role/other' } },
    { aws: { ...aws, permission_set: 'custom' } },
    { aws: { ...aws, custom_policy: { Version: '2012-10-17', Statement: [statement] } } },
    ...[{}, [], 'text', { Version: '2008-10-17', Statement: [statement] }, { Version: '2012-10-17', Statement: [] }].map(custom),
    custom({ Version: '2012-10-17', Statement: [statement], 'Fn::Transform': {} }),
    ...[{ Principal: '*' }, { Effect: 'Maybe' }, { Action: undefined }, { NotAction: '*' }, { Resource: undefined }, { Action: [] }, { Sid: 'a b' }].map(withStatement),
    ...[{ Action: { Ref: 'AWS::AccountId' } }, { Resource: { 'Fn::Sub': 'x' } }, { Resource: 'arn:aws:s3:::\u0000' }].map(withStatement),
    ...[{ 'Fn::If': { a: 'b' } }, { StringEquals: { 'Fn::Sub': 'x' } }, { StringEquals: { 'a:b': '\u0000' } }, { StringEquals: {} }, { Ref: { 'a:b': 'c' } }].map((Condition) => withStatement({ Condition })),
    custom({ Version: '2012-10-17', Statement: Array.from({ length: 60 }, () => ({ ...statement, Resource: `arn:aws:s3:::${'x'.repeat(200)}` })) }),
  ];
  for (const more of bad) {
    const answer = await api.call('POST', '/v1/connections', { ...NEW, ...more });
    t.ok(answer.status === 400 || answer.status === 413, `${JSON.stringify(more).slice(0, 90)} answers ${answer.status}`);
    t.match(answer.body, { code: /^[a-z_]+$/, hint: /\S/ });
  }
  const changes: object[] = [
    ...[{}, { aws: { region: 'eu-west-1' } }, { 'aws.role_arn': 'x' }, { algorithm: 'RS256' }, { state: 'disconnected' }, { state: 'unsafe' }, { state: 'verifying' }],
    ...[{ name: '' }, { name: null }, { tenant: null }, { labels: null }, { reference: 'cn_x' }, { max_session_seconds: 1 }, { subject: 'x' }, { generation: 1 }],
  ];
  for (const change of changes) refused(t, await api.call('PATCH', `/v1/connections/${id}`, change), 400, 'invalid_request', JSON.stringify(change));
  refused(t, await api.call('POST', '/v1/connections', undefined, { raw: '{"name":"a","name":"b"}' }), 400, 'invalid_json');
  refused(t, await api.call('POST', '/v1/connections', undefined, { raw: '{"name":"a"', headers: {} }), 400, 'invalid_json');
  refused(t, await api.call('POST', '/v1/connections', undefined, { raw: 'a=b', headers: { 'content-type': 'text/plain' } }), 415, 'unsupported_media_type');
  refused(t, await api.call('POST', '/v1/connections', { ...NEW, reference: 'taken' }), 409, 'reference_taken');
  for (const path of ['%00', 'a%2Fb', 'a%20b', '%F0%9F%9A%80', 'x'.repeat(65)]) {
    for (const [method, url, body] of [['GET', path], ['PATCH', path, { name: 'x' }], ['DELETE', path], ['POST', `${path}/verify`], ['GET', `${path}/link`], ['GET', `${path}/template`]] as const) {
      const { status } = await api.call(method, `/v1/connections/${url}`, body);
      t.ok(status >= 400 && status < 500, `${method} ${url.slice(0, 20)} answers ${status}`);
    }
  }
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=%7B', 'cursor=eyJhIjoxfQ', 'state=gone', 'label=novalue', 'label=%00=a', 'tenant=', 'tenant=%00', 'what=1', 'tenant=a&tenant=b']) {
    const { status, body } = await api.call('GET', `/v1/connections?${query}`);
    t.ok(status === 400, `${query} answers ${status}`);
    t.match(body, { code: /^invalid_/ });
  }
  for (const query of ['wait=paused', 'wait=active&timeout_seconds=31', 'timeout_seconds=0', 'x=1']) refused(t, await api.call('GET', `/v1/connections/${id}?${query}`), 400, 'invalid_request');
  t.equal(await api.snapshot(), before);
});

t.test('each route needs its scope, labels and tenants grants:write besides', async (t) => {
  const api = await openApi(t, { templateUrl: 'https://s3.example/t.yaml' });
  const { id } = await api.create();
  const before = await api.snapshot();
  const path = `/v1/connections/${id}`;
  const others = (scope: Scope): Scope[] => (['connections:read', 'connections:write', 'grants:write', 'audit:read', 'service:seal'] as Scope[]).filter((one) => one !== scope);
  const needed: [string, string, unknown, Scope][] = [
    ['POST', '/v1/connections', NEW, 'connections:write'],
    ['PATCH', path, { name: 'x' }, 'connections:write'],
    ['DELETE', path, undefined, 'connections:write'],
    ['POST', `${path}/verify`, undefined, 'connections:write'],
    ['GET', path, undefined, 'connections:read'],
    ['GET', `${path}/link`, undefined, 'connections:read'],
    ['GET', `${path}/template`, undefined, 'connections:read'],
    ['GET', '/v1/template', undefined, 'connections:read'],
  ];
  for (const [method, url, body, scope] of needed) {
    refused(t, await api.call(method, url, body, { scopes: others(scope) }), 403, 'insufficient_scope', `${method} ${url} without ${scope}`);
    refused(t, await api.call(method, url, body, { kind: 'workload', id: createId('wl'), scopes: [] }), 403, 'insufficient_scope');
  }
  refused(t, await api.call('GET', path.replace(id, createId('cn')), undefined, { scopes: [] }), 403, 'insufficient_scope', 'whether it exists or not');
  refused(t, await api.call('GET', '/v1/connections', undefined, { kind: 'administrator', id: createId('ad'), scopes: WRITE }), 403, 'insufficient_scope');
  for (const access of [{ tenant: 'acme' }, { labels: { a: 'b' } }]) {
    refused(t, await api.call('POST', '/v1/connections', { ...NEW, ...access }, { scopes: WRITE }), 403, 'insufficient_scope');
    refused(t, await api.call('PATCH', path, { ...access, name: 'y' }, { scopes: WRITE }), 403, 'insufficient_scope');
  }
  for (const access of [{ tenant: 'default' }, { labels: {} }]) refused(t, await api.call('PATCH', path, access, { scopes: WRITE }), 403, 'insufficient_scope', 'taking away is access too');
  t.equal(await api.snapshot(), before);
  t.equal((await api.call('POST', '/v1/connections', { ...NEW, tenant: 'default', labels: {} }, { scopes: WRITE })).status, 201);
  t.equal((await api.call('PATCH', path, { labels: { a: 'b' } }, { scopes: ['connections:write', 'grants:write'] })).status, 200);
});

t.test('settings change in one act, and the epoch with them', async (t) => {
  const api = await openApi(t);
  const { id, aws, created_at } = await api.create({ reference: 'one' });
  await api.create({ reference: 'two' });
  const epoch = await api.epoch();
  const change = { name: 'New', reference: 'three', tenant: 'acme', labels: { env: 'dev' }, max_session_seconds: 900, source_identity: true, session_tags: true };
  const { status, body } = await api.call('PATCH', '/v1/connections/one', change);
  t.equal(status, 200);
  t.match(body, { ...change, id, aws, created_at, generation: 2, state: 'pending' });
  t.ok((await api.epoch()) > epoch);
  t.match(await api.records('connection.updated'), [{ connection: id, details: { before: { name: 'Example', tenant: 'default' }, after: { name: 'New', tenant: 'acme' } } }]);
  refused(t, await api.call('GET', '/v1/connections/one'), 404, 'not_found');
  refused(t, await api.call('PATCH', '/v1/connections/three', { reference: 'two' }), 409, 'reference_taken');
  t.equal((await api.call('PATCH', '/v1/connections/three', { reference: 'three' })).status, 200, 'its own is not taken');
  t.equal((await api.call('PATCH', '/v1/connections/three', { reference: null })).body.reference, null);
  refused(t, await api.call('PATCH', `/v1/connections/${createId('cn')}`, { name: 'x' }), 404, 'not_found');
});

t.test('labels that would make grants ambiguous are refused, at creation and later', async (t) => {
  const refuse = Object.assign(new Error('ambiguous'), {});
  const asked: unknown[] = [];
  const api = await openApi(t, {
    assertLabelsUnambiguous: async (_trx, connection) => {
      asked.push(connection.labels);
      if ('bad' in connection.labels) throw refuse;
    },
  });
  const { id } = await api.create({ labels: { good: '1' } });
  const before = await api.snapshot();
  t.equal((await api.call('POST', '/v1/connections', { ...NEW, labels: { bad: '1' } })).status, 500);
  t.equal((await api.call('PATCH', `/v1/connections/${id}`, { labels: { bad: '1' }, name: 'x' })).status, 500);
  t.same(asked, [{ good: '1' }, { bad: '1' }, { bad: '1' }]);
  t.equal(await api.snapshot(), before, 'neither issuer nor row is left');
});

t.test('an Idempotency-Key makes one connection', async (t) => {
  const api = await openApi(t);
  const headers = { 'idempotency-key': 'k1' };
  const [first, second] = [await api.call('POST', '/v1/connections', NEW, { headers }), await api.call('POST', '/v1/connections', NEW, { headers })];
  t.same([second.status, second.body], [201, first.body]);
  refused(t, await api.call('POST', '/v1/connections', { ...NEW, name: 'other' }, { headers }), 422, 'idempotency_key_reused');
  t.equal((await api.call('GET', '/v1/connections')).body.items.length, 1);
});

t.test('disconnecting is for good', async (t) => {
  const api = await openApi(t);
  const { id, issuer } = await api.create({ reference: 'one' });
  await api.call('POST', `/v1/connections/${id}/verify`);
  const epoch = await api.epoch();
  const { status, body } = await api.call('DELETE', '/v1/connections/one');
  t.match({ status, body }, { status: 200, body: { id, state: 'disconnected', reference: null, verification: null, generation: 3 } });
  t.ok((await api.epoch()) > epoch);
  t.ok(api.rings.includes(`destroy ${issuer.id}`), 'its private keys are destroyed');
  t.match(await api.records('connection.disconnected'), [{ connection: id, details: { was: 'verifying', reference: 'one' } }]);
  t.same((await api.call('GET', `/v1/connections/${id}`)).body, body, 'the tombstone stays');
  t.same((await api.call('DELETE', `/v1/connections/${id}`)).body, body, 'twice is once');
  t.equal((await api.records('connection.disconnected')).length, 1);
  for (const [method, path, change] of [['PATCH', '', { name: 'x' }], ['PATCH', '', { state: 'active' }], ['POST', '/verify'], ['GET', '/template']] as const) {
    refused(t, await api.call(method, `/v1/connections/${id}${path}`, change), 409, 'connection_disconnected');
  }
  t.equal((await api.create({ reference: 'one' })).reference, 'one', 'its reference is free, its id is not reused');
  refused(t, await api.call('DELETE', `/v1/connections/${createId('cn')}`), 404, 'not_found');
});

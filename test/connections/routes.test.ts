// /v1/connections: what can be registered, read, changed and ended.
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
    ...{
      id: /^cn_[a-z2-7]{26}$/,
      reference: null,
      name: 'Example',
      tenant: 'default',
      state: 'pending',
      state_reason: '',
    },
    ...{
      algorithm: 'ES256',
      max_session_seconds: 3600,
      source_identity: false,
      session_tags: false,
      generation: 1,
      verification: null,
    },
    issuer: { id: /^is_[a-z2-7]{26}$/, url: `${ISSUER_URL}/c/${body.issuer.id}` },
    aws: {
      account_id: ACCOUNT,
      partition: 'aws',
      region: 'us-east-1',
      role_id: null,
      permission_set: 'core',
      custom_policy: null,
      verified_at: null,
    },
  });
  t.same([body.labels, body.aws.additions], [{}, []]);
  t.equal(body.subject, body.id);
  t.equal(body.aws.role_name, `countersign-${body.id.slice(3, 13)}`);
  t.equal(body.aws.role_arn, `arn:aws:iam::${ACCOUNT}:role/${body.aws.role_name}`);
  t.same(api.rings, ['prepare ES256', `insert ${body.issuer.id}`]);
  t.equal(await api.epoch(), epoch, 'nothing that was decided before rests on it');
  t.match(await api.records('connection.'), [
    { kind: 'connection.created', connection: body.id, actor: 'host', details: { role_arn: body.aws.role_arn } },
  ]);
  t.same((await api.call('GET', `/v1/connections/${body.id}`)).body, body);
});

t.test('every member can be given', async (t) => {
  const api = await openApi(t);
  const given = {
    ...{
      name: 'Ünïcode 🚀',
      reference: 'acme.prod-1',
      tenant: 'acme',
      labels: { env: 'prod', 'team/owner': 'a=b' },
      algorithm: 'RS256',
    },
    ...{ max_session_seconds: 43_200, source_identity: true, session_tags: true },
    aws: {
      account_id: ACCOUNT,
      partition: 'aws-cn',
      region: 'cn-northwest-1',
      role_name: 'Their@Role',
      permission_set: 'core',
      additions: ['s3', 'sqs'],
    },
  };
  const created = await api.create(given);
  t.match(created, { ...given, aws: { ...given.aws, role_arn: `arn:aws-cn:iam::${ACCOUNT}:role/Their@Role` } });
  t.same((await api.call('GET', '/v1/connections/acme.prod-1')).body, created, 'the reference is usable in paths');
  const policy = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:GetObject'],
        Resource: 'arn:aws:s3:::b/${aws:username}/*',
        Condition: { StringLike: { 'aws:PrincipalTag/team': ['a*'] } },
      },
    ],
  };
  const custom = await api.create({ aws: { account_id: ACCOUNT, permission_set: 'custom', custom_policy: policy } });
  t.same(custom.aws.custom_policy, policy);
  const [statement] = policy.Statement;
  const Resource = ['*', 'arn:*:s3:::b', 'arn:aws-cn:s3:::b/*', 'arn:aws-cn:sqs:*:*:a'];
  const custom_policy = { ...policy, Statement: ['A', 'B'].map((Sid) => ({ Sid, ...statement, Resource })) };
  await api.create({ aws: { account_id: ACCOUNT, partition: 'aws-cn', permission_set: 'custom', custom_policy } });
  for (const [partition, region] of [
    ['aws-us-gov', 'us-gov-west-1'],
    ['aws-eusc', 'eusc-de-east-1'],
    ['aws-cn', 'cn-north-1'],
  ]) {
    t.equal((await api.create({ aws: { ...NEW.aws, partition } })).aws.region, region, 'a region of the partition');
    t.equal(
      (await api.create({ aws: { ...NEW.aws, region } })).aws.partition,
      partition,
      'the partition of the region',
    );
  }
});

t.test('settings change in one act, and the epoch with them', async (t) => {
  const api = await openApi(t);
  const { id, aws, created_at } = await api.create({ reference: 'one' });
  await api.create({ reference: 'two' });
  const epoch = await api.epoch();
  const change = {
    name: 'New',
    reference: 'three',
    tenant: 'acme',
    labels: { env: 'dev' },
    max_session_seconds: 900,
    source_identity: true,
    session_tags: true,
  };
  const { status, body } = await api.call('PATCH', '/v1/connections/one', change);
  t.equal(status, 200);
  t.match(body, { ...change, id, aws, created_at, generation: 2, state: 'pending' });
  t.match(body.warnings, [{ code: 'short_ceiling', detail: /of 900 s/ }], 'boto3 would fetch on every use');
  t.notOk('warnings' in (await api.call('GET', '/v1/connections/two')).body, 'nothing where there is nothing');
  t.ok((await api.epoch()) > epoch);
  t.match(await api.records('connection.updated'), [
    {
      connection: id,
      details: { before: { name: 'Example', tenant: 'default' }, after: { name: 'New', tenant: 'acme' } },
    },
  ]);
  refused(t, await api.call('GET', '/v1/connections/one'), 404, 'not_found');
  refused(t, await api.call('PATCH', '/v1/connections/three', { reference: 'two' }), 409, 'reference_taken');
  t.equal(
    (await api.call('PATCH', '/v1/connections/three', { reference: 'three' })).status,
    200,
    'its own is not taken',
  );
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
  const [first, second] = [
    await api.call('POST', '/v1/connections', NEW, { headers }),
    await api.call('POST', '/v1/connections', NEW, { headers }),
  ];
  t.same([second.status, second.body], [201, first.body]);
  refused(
    t,
    await api.call('POST', '/v1/connections', { ...NEW, name: 'other' }, { headers }),
    422,
    'idempotency_key_reused',
  );
  t.equal((await api.call('GET', '/v1/connections')).body.items.length, 1);
});

t.test('disconnecting is for good', async (t) => {
  const api = await openApi(t);
  const { id, issuer } = await api.create({ reference: 'one' });
  await api.call('POST', `/v1/connections/${id}/verify`);
  const epoch = await api.epoch();
  const { status, body } = await api.call('DELETE', '/v1/connections/one');
  t.match(
    { status, body },
    { status: 200, body: { id, state: 'disconnected', reference: null, verification: null, generation: 3 } },
  );
  t.ok((await api.epoch()) > epoch);
  t.ok(api.rings.includes(`destroy ${issuer.id}`), 'its private keys are destroyed');
  t.match(await api.records('connection.disconnected'), [
    { connection: id, details: { was: 'verifying', reference: 'one' } },
  ]);
  t.same((await api.call('GET', `/v1/connections/${id}`)).body, body, 'the tombstone stays');
  t.same((await api.call('DELETE', `/v1/connections/${id}`)).body, body, 'twice is once');
  t.equal((await api.records('connection.disconnected')).length, 1);
  for (const [method, path, change] of [
    ['PATCH', '', { name: 'x' }],
    ['PATCH', '', { state: 'active' }],
    ['POST', '/verify'],
    ['GET', '/template'],
  ] as const) {
    refused(t, await api.call(method, `/v1/connections/${id}${path}`, change), 409, 'connection_disconnected');
  }
  t.equal((await api.create({ reference: 'one' })).reference, 'one', 'its reference is free, its id is not reused');
  refused(t, await api.call('DELETE', `/v1/connections/${createId('cn')}`), 404, 'not_found');
});

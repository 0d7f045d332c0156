// What the routes of connections refuse, without changing anything: bad input, and callers without the scope.
import t from 'tap';
import type { Scope } from '../../src/http/scopes.ts';
import { createId } from '../../src/ids.ts';
import { NEW, openApi, refused } from './api.ts';

const WRITE: Scope[] = ['connections:write'];

/** CloudFormation puts the secret in its place. */
const SECRET = '{{resolve:secretsmanager:prod/db}}';

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
    ...[
      { 'a=b': 'c' },
      { '': 'c' },
      { a: 1 },
      { a: '\u0000' },
      { '-a': 'b' },
      [],
      Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, ''])),
    ].map((labels) => ({ labels })),
    ...[899, 43_201, 900.5, '3600'].map((max_session_seconds) => ({ max_session_seconds })),
    ...[{ algorithm: 'none' }, { algorithm: 'PS256' }, { source_identity: 'true' }, { session_tags: 1 }],
    ...[{ state: 'active' }, { subject: 'x' }, { issuer: 'x' }, { id }, { extra: 1 }, { aws: null }, { aws: [] }],
    ...['12345678901', '1234567890123', 111122223333, '１２３４５６７８９０１２'].map((account_id) => ({
      aws: { ...aws, account_id },
    })),
    ...['aws-iso', ''].map((partition) => ({ aws: { ...aws, partition } })),
    ...['us-east-9', 'us-east-1.evil.example', '../x'].map((region) => ({ aws: { ...aws, region } })),
    { aws: { ...aws, partition: 'aws-cn', region: 'eu-west-1' } },
    ...['', 'a/b', 'a b', 'x'.repeat(65), 'a"b', '${AWS::AccountId}', 'ü'].map((role_name) => ({
      aws: { ...aws, role_name },
    })),
    ...['root', undefined].map((permission_set) => ({ aws: { ...aws, permission_set } })),
    ...[['s3', 's3'], ['ec2'], 's3'].map((additions) => ({ aws: { ...aws, additions } })),
    { aws: { ...aws, permission_set: 'read-only', additions: ['s3'] } },
    { aws: { ...aws, role_arn: 'arn:aws:iam::999999999999:role/other' } },
    { aws: { ...aws, permission_set: 'custom' } },
    { aws: { ...aws, custom_policy: { Version: '2012-10-17', Statement: [statement] } } },
    ...[
      {},
      [],
      'text',
      { Version: '2008-10-17', Statement: [statement] },
      { Version: '2012-10-17', Statement: [] },
    ].map(custom),
    custom({ Version: '2012-10-17', Statement: [statement], 'Fn::Transform': {} }),
    ...[
      { Principal: '*' },
      { Effect: 'Maybe' },
      { Action: undefined },
      { NotAction: '*' },
      { Resource: undefined },
      { Action: [] },
      { Sid: 'a b' },
    ].map(withStatement),
    ...[
      { Action: { Ref: 'AWS::AccountId' } },
      { Resource: { 'Fn::Sub': 'x' } },
      { Resource: 'arn:aws:s3:::\u0000' },
    ].map(withStatement),
    ...[
      { 'Fn::If': { a: 'b' } },
      { StringEquals: { 'Fn::Sub': 'x' } },
      { StringEquals: { 'a:b': '\u0000' } },
      { StringEquals: {} },
      { Ref: { 'a:b': 'c' } },
      ...[SECRET, ['x', `x${SECRET}`]].map((value) => ({ StringEquals: { 'aws:PrincipalTag/a': value } })),
      { StringEquals: { [`aws:PrincipalTag/${SECRET}`]: 'x' } },
    ].map((Condition) => withStatement({ Condition })),
    ...[
      { Resource: `arn:aws:s3:::${SECRET}` },
      { Resource: undefined, NotResource: ['*', `arn:aws:s3:::b/${SECRET}/*`] },
    ].map(withStatement),
    ...['arn:x', 'arn:aws:s3', 'arn:aws:s3:::', 'arn::s3:::b', 'arn:aws-cn:s3:::b', 'arn:aws*:s3:::b']
      .flatMap((one) => [{ Resource: one }, { Resource: undefined, NotResource: ['*', one] }])
      .map(withStatement),
    ...['ForAllValue', 'ForAnyValues'].map((set) =>
      withStatement({ Condition: { [`${set}:StringEquals`]: { 'aws:TagKeys': 'x' } } }),
    ),
    custom({ Version: '2012-10-17', Statement: [1, 2].map(() => ({ Sid: 'Same', ...statement })) }),
    custom({
      Version: '2012-10-17',
      Statement: Array.from({ length: 60 }, () => ({ ...statement, Resource: `arn:aws:s3:::${'x'.repeat(200)}` })),
    }),
  ];
  for (const more of bad) {
    const answer = await api.call('POST', '/v1/connections', { ...NEW, ...more });
    t.ok(
      answer.status === 400 || answer.status === 413,
      `${JSON.stringify(more).slice(0, 90)} answers ${answer.status}`,
    );
    t.match(answer.body, { code: /^[a-z_]+$/, hint: /\S/ });
  }
  const changes: object[] = [
    ...[
      {},
      { aws: { region: 'eu-west-1' } },
      { 'aws.role_arn': 'x' },
      { algorithm: 'RS256' },
      { state: 'disconnected' },
      { state: 'unsafe' },
      { state: 'verifying' },
    ],
    ...[
      { name: '' },
      { name: null },
      { tenant: null },
      { labels: null },
      { reference: 'cn_x' },
      { max_session_seconds: 1 },
      { subject: 'x' },
      { generation: 1 },
    ],
  ];
  for (const change of changes)
    refused(
      t,
      await api.call('PATCH', `/v1/connections/${id}`, change),
      400,
      'invalid_request',
      JSON.stringify(change),
    );
  refused(
    t,
    await api.call('POST', '/v1/connections', undefined, { raw: '{"name":"a","name":"b"}' }),
    400,
    'invalid_json',
  );
  refused(
    t,
    await api.call('POST', '/v1/connections', undefined, { raw: '{"name":"a"', headers: {} }),
    400,
    'invalid_json',
  );
  refused(
    t,
    await api.call('POST', '/v1/connections', undefined, { raw: 'a=b', headers: { 'content-type': 'text/plain' } }),
    415,
    'unsupported_media_type',
  );
  refused(t, await api.call('POST', '/v1/connections', { ...NEW, reference: 'taken' }), 409, 'reference_taken');
  for (const path of ['%00', 'a%2Fb', 'a%20b', '%F0%9F%9A%80', 'x'.repeat(65)]) {
    for (const [method, url, body] of [
      ['GET', path],
      ['PATCH', path, { name: 'x' }],
      ['DELETE', path],
      ['POST', `${path}/verify`],
      ['GET', `${path}/link`],
      ['GET', `${path}/template`],
    ] as const) {
      const { status } = await api.call(method, `/v1/connections/${url}`, body);
      t.ok(status >= 400 && status < 500, `${method} ${url.slice(0, 20)} answers ${status}`);
    }
  }
  for (const query of [
    'limit=0',
    'limit=201',
    'limit=x',
    'cursor=%7B',
    'cursor=eyJhIjoxfQ',
    'state=gone',
    'label=novalue',
    'label=%00=a',
    'tenant=',
    'tenant=%00',
    'what=1',
    'tenant=a&tenant=b',
  ]) {
    const { status, body } = await api.call('GET', `/v1/connections?${query}`);
    t.ok(status === 400, `${query} answers ${status}`);
    t.match(body, { code: /^invalid_/ });
  }
  for (const query of ['wait=paused', 'wait=active&timeout_seconds=31', 'timeout_seconds=0', 'x=1'])
    refused(t, await api.call('GET', `/v1/connections/${id}?${query}`), 400, 'invalid_request');
  t.equal(await api.snapshot(), before);
});

t.test('each route needs its scope, labels and tenants grants:write besides', async (t) => {
  const api = await openApi(t, { templateUrl: 'https://s3.example/t.yaml' });
  const { id } = await api.create();
  const before = await api.snapshot();
  const path = `/v1/connections/${id}`;
  const others = (scope: Scope): Scope[] =>
    (['connections:read', 'connections:write', 'grants:write', 'audit:read', 'service:seal'] as Scope[]).filter(
      (one) => one !== scope,
    );
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
    refused(
      t,
      await api.call(method, url, body, { scopes: others(scope) }),
      403,
      'insufficient_scope',
      `${method} ${url} without ${scope}`,
    );
    refused(
      t,
      await api.call(method, url, body, { kind: 'workload', id: createId('wl'), scopes: [] }),
      403,
      'insufficient_scope',
    );
  }
  refused(
    t,
    await api.call('GET', path.replace(id, createId('cn')), undefined, { scopes: [] }),
    403,
    'insufficient_scope',
    'whether it exists or not',
  );
  refused(
    t,
    await api.call('GET', '/v1/connections', undefined, { kind: 'administrator', id: createId('ad'), scopes: WRITE }),
    403,
    'insufficient_scope',
  );
  for (const access of [{ tenant: 'acme' }, { labels: { a: 'b' } }]) {
    refused(
      t,
      await api.call('POST', '/v1/connections', { ...NEW, ...access }, { scopes: WRITE }),
      403,
      'insufficient_scope',
    );
    refused(t, await api.call('PATCH', path, { ...access, name: 'y' }, { scopes: WRITE }), 403, 'insufficient_scope');
  }
  for (const access of [{ tenant: 'default' }, { labels: {} }])
    refused(
      t,
      await api.call('PATCH', path, access, { scopes: WRITE }),
      403,
      'insufficient_scope',
      'taking away is access too',
    );
  t.equal(await api.snapshot(), before);
  t.equal(
    (await api.call('POST', '/v1/connections', { ...NEW, tenant: 'default', labels: {} }, { scopes: WRITE })).status,
    201,
  );
  t.equal(
    (await api.call('PATCH', path, { labels: { a: 'b' } }, { scopes: ['connections:write', 'grants:write'] })).status,
    200,
  );
});

// /v1/grants: making, reading, changing and taking away; scopes; bad input; records.
import t from 'tap';
import { createId } from '../../src/ids.ts';
import type { Scope } from '../../src/http/scopes.ts';
import { openApi, refused } from '../clients/api.ts';
import { insertConnection } from '../clients/connections.ts';

const POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:Get*'], Resource: '*', Condition: { Bool: { 'aws:SecureTransport': true } } },
  ],
};

t.test('a grant is made, read, changed, taken away; each is recorded with its whole value', async (t) => {
  const api = await openApi(t);
  const { body: workload } = await api.call('POST', '/v1/workloads', { slug: 'billing' });
  const connection = await insertConnection(api.database.db, { reference: 'acme.prod' });
  const epochs = new Set([await api.epoch()]);
  const limits = {
    max_session_seconds: 1800,
    session_policy: POLICY,
    policy_arns: ['arn:aws:iam::aws:policy/job-function/ViewOnlyAccess'],
    tags: { 'cost centre': 'ü 1', a: '' },
  };
  const created = await api.call('POST', '/v1/grants', {
    workload: 'billing',
    selector: { connection: 'acme.prod' },
    purpose: 'audit',
    ...limits,
  });
  t.match(created, { status: 201, body: { id: /^gr_[a-z2-7]{26}$/, version: 1 } });
  epochs.add(await api.epoch());
  const { id, created_at, updated_at, ...rest } = created.body;
  t.strictSame(
    rest,
    { workload: workload.id, selector: { connection }, purpose: 'audit', ...limits, version: 1 },
    'kept by id',
  );
  t.strictSame((await api.call('GET', `/v1/grants/${id}`)).body, created.body);

  const plain = await api.call('POST', '/v1/grants', { workload: workload.id, selector: { all: true } });
  epochs.add(await api.epoch());
  t.match(plain.body, {
    selector: { all: true },
    purpose: 'default',
    max_session_seconds: 3600,
    session_policy: null,
    policy_arns: { length: 0 },
    tags: {},
  });

  const changed = await api.call('PATCH', `/v1/grants/${id}`, { max_session_seconds: 900, session_policy: null });
  t.match(changed, {
    status: 200,
    body: {
      version: 2,
      max_session_seconds: 900,
      session_policy: null,
      policy_arns: limits.policy_arns,
      tags: limits.tags,
    },
  });
  epochs.add(await api.epoch());
  const gone = await api.call('DELETE', `/v1/grants/${id}`);
  epochs.add(await api.epoch());
  t.strictSame([gone.status, gone.body], [204, undefined]);
  for (const method of ['GET', 'DELETE']) refused(t, await api.call(method, `/v1/grants/${id}`), 404, 'not_found');
  refused(t, await api.call('PATCH', `/v1/grants/${id}`, { tags: {} }), 404, 'not_found');

  const row = { actor: 'host', workload: workload.id, connection };
  const records = await api.records('grant.');
  t.match(records, [
    {
      kind: 'grant.created',
      ...row,
      details: { grant: id, selector: { connection }, purpose: 'audit', ...limits, version: 1 },
    },
    { kind: 'grant.created', workload: workload.id, details: { selector: { all: true } } },
    {
      kind: 'grant.updated',
      ...row,
      details: { grant: id, max_session_seconds: 900, session_policy: null, tags: limits.tags, version: 2 },
    },
    { kind: 'grant.deleted', ...row, details: { grant: id, version: 2 } },
  ]);
  t.notOk('connection' in records[1]!);
  t.equal(epochs.size, 5, 'every change bumps the policy epoch');
});

t.test('every selector is shown as it was given', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  for (const selector of [
    { tenant: 'Acme GmbH' },
    { label: 'env=prod' },
    { label: 'note=a=b' },
    { label: 'empty=' },
    { all: true },
  ]) {
    t.match(await api.call('POST', '/v1/grants', { workload: 'one', selector }), { status: 201, body: { selector } });
  }
  const stored = await api.database.db
    .selectFrom('grants')
    .select('selector_label')
    .where('selector_value', '=', 'note=a=b')
    .executeTakeFirstOrThrow();
  t.strictSame(stored.selector_label, { note: 'a=b' });
});

t.test('one grant for a workload, a selector and a purpose', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  await api.call('POST', '/v1/workloads', { slug: 'two' });
  const same = { workload: 'one', selector: { label: 'env=prod' } };
  const { body } = await api.call('POST', '/v1/grants', same);
  const again = await api.call('POST', '/v1/grants', same);
  refused(t, again, 409, 'grant_exists');
  t.match(again.body, { detail: new RegExp(body.id), hint: new RegExp(body.id) });
  t.equal((await api.call('POST', '/v1/grants', { ...same, purpose: 'other' })).status, 201);
  t.equal((await api.call('POST', '/v1/grants', { ...same, workload: 'two' })).status, 201);
});

t.test('every route asks for its scope', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const { body } = await api.call('POST', '/v1/grants', { workload: 'one', selector: { all: true } });
  const path = `/v1/grants/${body.id}`;
  const others: Scope[] = [
    'connections:read',
    'connections:write',
    'workloads:read',
    'workloads:write',
    'administrators:write',
  ];
  const write = { as: { scopes: [...others, 'grants:read'] as Scope[] } };
  const read = { as: { scopes: [...others, 'grants:write'] as Scope[] } };
  refused(
    t,
    await api.call('POST', '/v1/grants', { workload: 'one', selector: { tenant: 'x' } }, write),
    403,
    'insufficient_scope',
  );
  refused(t, await api.call('PATCH', path, { tags: {} }, write), 403, 'insufficient_scope');
  refused(t, await api.call('DELETE', path, undefined, write), 403, 'insufficient_scope');
  refused(t, await api.call('GET', '/v1/grants', undefined, read), 403, 'insufficient_scope');
  refused(t, await api.call('GET', path, undefined, read), 403, 'insufficient_scope');
  t.strictSame((await api.call('GET', path)).body, body);
});

t.test('bad input is refused with a code and a hint, and changes nothing', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const gone = await insertConnection(api.database.db, { state: 'disconnected' });
  const { body: grant } = await api.call('POST', '/v1/grants', { workload: 'one', selector: { all: true } });
  const before = await api.epoch();
  const base = { workload: 'one', selector: { tenant: 'acme' } };
  const post = (body: unknown) => api.call('POST', '/v1/grants', body);
  for (const selector of [
    ...[
      {},
      { all: false },
      { all: true, tenant: 'acme' },
      { tenant: '' },
      { tenant: 7 },
      { tenant: 'a\nb' },
      { region: 'eu' },
      'all',
      null,
    ],
    ...[
      { label: 'env' },
      { label: '=prod' },
      { label: 'env =prod' },
      { label: 'a\u0000=b' },
      { connection: 'a/b' },
      { connection: '' },
      { label: { env: 'prod' } },
    ],
  ]) {
    refused(t, await post({ ...base, selector }), 400, 'invalid_request', JSON.stringify(selector));
  }
  for (const more of [
    ...[
      { purpose: 'Default' },
      { purpose: '' },
      { purpose: 'a b' },
      { max_session_seconds: 899 },
      { max_session_seconds: 43_201 },
    ],
    ...[
      { max_session_seconds: '900' },
      { max_session_seconds: 900.5 },
      { id: 'gr_a' },
      { version: 1 },
      { session_policy: 'x' },
      { session_policy: [] },
    ],
    ...[
      { policy_arns: ['ReadOnlyAccess'] },
      { policy_arns: ['arn:aws:iam::aws:role/x'] },
      { policy_arns: ['arn:aws:iam::12345:policy/x'] },
    ],
    ...[
      { policy_arns: ['arn:aws-eu:iam::aws:policy/x'] },
      { policy_arns: Array.from({ length: 11 }, (_, i) => `arn:aws:iam::aws:policy/p${i}`) },
    ],
    ...[{ policy_arns: ['arn:aws:iam::aws:policy/x', 'arn:aws:iam::aws:policy/x'] }, { tags: { a: 1 } }, { tags: [] }],
  ]) {
    refused(t, await post({ ...base, ...more }), 400, 'invalid_request', JSON.stringify(more));
    if ('purpose' in more || 'id' in more) continue;
    refused(
      t,
      await api.call('PATCH', `/v1/grants/${grant.id}`, more),
      400,
      'invalid_request',
      `${JSON.stringify(more)}, in a change`,
    );
  }
  for (const tags of [
    ...[
      { '': 'x' },
      { 'aws:team': 'x' },
      { 'AWS:team': 'x' },
      { 'a!': 'x' },
      { a: 'x\n' },
      { a: '<b>' },
      { a: '\ud800' },
      { ['k'.repeat(129)]: 'x' },
    ],
    ...[
      { a: 'v'.repeat(257) },
      { Team: 'x', team: 'y' },
      Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v'])),
    ],
  ]) {
    refused(t, await post({ ...base, tags }), 400, 'invalid_tags', JSON.stringify(tags).slice(0, 60));
    refused(t, await api.call('PATCH', `/v1/grants/${grant.id}`, { tags }), 400, 'invalid_tags');
  }
  const [statement] = POLICY.Statement;
  for (const session_policy of [
    {},
    { ...POLICY, Version: '2008-10-17' },
    { ...POLICY, Statement: [{ ...statement, Principal: '*' }] },
    { ...POLICY, Statement: [{ ...statement, Resource: 'arn:aws:s3:::\u0000' }] },
  ]) {
    refused(t, await post({ ...base, session_policy }), 400, 'invalid_session_policy');
    refused(t, await api.call('PATCH', `/v1/grants/${grant.id}`, { session_policy }), 400, 'invalid_session_policy');
  }
  const large = { ...POLICY, Statement: [{ ...statement, Resource: `arn:aws:s3:::${'x'.repeat(2048)}` }] };
  refused(t, await post({ ...base, session_policy: large }), 400, 'session_policy_too_large');
  refused(t, await post({ ...base, workload: 'nobody' }), 404, 'not_found');
  refused(t, await post({ ...base, selector: { connection: 'nothing' } }), 404, 'not_found');
  refused(t, await post({ ...base, selector: { connection: createId('cn') } }), 404, 'not_found');
  refused(t, await post({ ...base, selector: { connection: gone } }), 409, 'connection_disconnected');
  for (const body of [{}, { selector: { all: true } }, { workload: 'one' }, { purpose: 'x' }]) {
    refused(t, await api.call('PATCH', `/v1/grants/${grant.id}`, body), 400, 'invalid_request', JSON.stringify(body));
  }
  t.match(
    await api.call('POST', '/v1/grants', undefined, { raw: '{"workload":"one","selector":{"all":true,"all":true}}' }),
    { status: 400, body: { code: 'invalid_json' } },
  );
  refused(t, await api.call('GET', '/v1/grants/gr_short'), 400, 'invalid_request');
  refused(t, await api.call('GET', '/v1/grants?workload=nobody'), 404, 'not_found');
  t.equal(await api.epoch(), before);
  t.strictSame((await api.call('GET', '/v1/grants')).body.items, [grant]);
});

t.test('AWS takes 50 tags and 10 managed policies', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const tags = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v']));
  const policy_arns = Array.from({ length: 10 }, (_, i) => `arn:aws-us-gov:iam::123456789012:policy/team/p${i}`);
  t.match(await api.call('POST', '/v1/grants', { workload: 'one', selector: { all: true }, tags, policy_arns }), {
    status: 201,
    body: { tags, policy_arns },
  });
});

t.test('what is beyond 2048 characters with the ARNs is not written, and what was before may stay', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const policy_arns = Array.from({ length: 10 }, (_, i) => `arn:aws:iam::123456789012:policy/${'p'.repeat(128)}/${i}`);
  const Resource = Array.from({ length: 5 }, (_, i) => `arn:aws:s3:::${'x'.repeat(100)}${i}`);
  const session_policy = { ...POLICY, Statement: [{ ...POLICY.Statement[0], Resource }] };
  const base = { workload: 'one', selector: { all: true } };
  refused(
    t,
    await api.call('POST', '/v1/grants', { ...base, session_policy, policy_arns }),
    400,
    'session_policy_too_large',
  );
  const path = `/v1/grants/${(await api.call('POST', '/v1/grants', { ...base, policy_arns })).body.id}`;
  refused(t, await api.call('PATCH', path, { session_policy }), 400, 'session_policy_too_large');
  await api.database.db
    .updateTable('grants')
    .set({ session_policy: JSON.stringify(session_policy) })
    .execute();
  t.match(await api.call('GET', path), { status: 200, body: { warnings: [{ code: 'policies_may_not_fit' }] } });
  t.match(await api.call('PATCH', path, { max_session_seconds: 7200 }), { status: 200 });
  refused(t, await api.call('PATCH', path, { policy_arns: policy_arns.slice(1) }), 400, 'session_policy_too_large');
  t.match(await api.call('PATCH', path, { policy_arns: policy_arns.slice(5) }), { status: 200 });
});

t.test('Idempotency-Key and pages', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  await api.call('POST', '/v1/workloads', { slug: 'two' });
  const headers = { 'idempotency-key': 'once' };
  const body = { workload: 'one', selector: { all: true } };
  const first = await api.call('POST', '/v1/grants', body, { headers });
  t.strictSame((await api.call('POST', '/v1/grants', body, { headers })).body, first.body);
  refused(
    t,
    await api.call('POST', '/v1/grants', { ...body, purpose: 'x' }, { headers }),
    422,
    'idempotency_key_reused',
  );
  const ids = [first.body.id];
  for (const tenant of ['a', 'b', 'c'])
    ids.push((await api.call('POST', '/v1/grants', { workload: 'one', selector: { tenant } })).body.id);
  const { body: other } = await api.call('POST', '/v1/grants', { workload: 'two', selector: { all: true } });
  const seen: string[] = [];
  for (let cursor = ''; ; ) {
    const page = (await api.call('GET', `/v1/grants?workload=one&limit=3${cursor}`)).body;
    seen.push(...page.items.map(({ id }: { id: string }) => id));
    if (!page.next_cursor) break;
    cursor = `&cursor=${page.next_cursor}`;
  }
  t.strictSame(seen, ids.sort());
  t.equal((await api.call('GET', '/v1/grants')).body.items.length, 5);
  t.strictSame((await api.call('GET', `/v1/grants?workload=${other.workload}`)).body.items, [other]);
});

// The very templates, deployed with AWS's own client, and verified by the real service against the sandbox's STS.
import t from 'tap';
import { ADDITION_NAMES } from '../../src/connections/permission-sets.ts';
import { ACCOUNT, openOwner, openWorld } from './aws.ts';

const POLICY = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/${aws:username}/*' }],
};

function parametersOf(link: { url: string }): Record<string, string> {
  const query = new URLSearchParams(link.url.split('#')[1]?.split('?')[1]);
  return Object.fromEntries(
    [...query].filter(([name]) => name.startsWith('param_')).map(([name, value]) => [name.slice(6), value]),
  );
}

t.test('the published template with the parameters of the link: verified and Active', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const { id, aws, issuer } = await world.create({
    aws: { account_id: ACCOUNT, permission_set: 'core', additions: ['s3'] },
    session_tags: true,
  });
  const link = await world.get(id, '/link');
  const before = await world.until(id, ({ verification }) => verification?.attempts > 0);
  t.match(before, {
    state: 'verifying',
    verification: { last_code: 'InvalidIdentityToken', last_detail: new RegExp(`no OIDC provider for ${issuer.url}`) },
  });
  const published = await world.service.call('GET', '/v1/template');
  const outputs = await owner.createStack(link.stack_name, published.body, parametersOf(link));
  t.same(outputs, {
    AccountId: ACCOUNT,
    RoleArn: aws.role_arn,
    ProviderArn: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.url.slice('http://'.length)}`,
    IssuerUrl: issuer.url,
  });
  await world.hurry(id);
  const after = await world.get(id, '?wait=active&timeout_seconds=20');
  t.match(after, { state: 'active', verification: null, aws: { role_id: /^AROA[A-Z0-9]{17}$/, verified_at: /Z$/ } });
  const trust = await owner.trustOf(aws.role_name);
  t.same(
    trust.Statement[0].Action,
    ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'],
    'tagging, because it is switched on; no source identity',
  );
  t.match(
    await (async () =>
      (await world.service.call('GET', `/v1/audit?connection=${id}`)).body.items.map(({ kind }: any) => kind))(),
    /connection.verified/,
  );
});

t.test('the published template gives the role what the baked one gives it', async (t) => {
  const world = await openWorld(t);
  const { body: published } = await world.service.call('GET', '/v1/template');
  // A role has one name in both forms: each is deployed in an account of its own.
  const byLink = openOwner(t, world.sandbox, ACCOUNT);
  const byHand = openOwner(t, world.sandbox, '444455556666');
  const managed = (name: string) => ({ managed: [`arn:aws:iam::aws:policy/${name}`], inline: [] });
  const core = (...more: string[]) => ({ managed: [], inline: ['Core', ...more] });
  const sets = [
    [{ permission_set: 'administrator' }, managed('AdministratorAccess')],
    [{ permission_set: 'read-only' }, managed('ReadOnlyAccess'), { source_identity: true }],
    [{ permission_set: 'core' }, core(), { source_identity: true, session_tags: true }],
    ...Object.entries(ADDITION_NAMES).map(
      ([addition, name]) => [{ permission_set: 'core', additions: [addition] }, core(name)] as const,
    ),
  ] as const;
  for (const [set, expected, switches = {}] of sets) {
    const { id, aws } = await world.create({ ...switches, aws: { account_id: ACCOUNT, ...set } });
    const link = await world.get(id, '/link');
    await byLink.createStack(link.stack_name, published, parametersOf(link));
    await byHand.createStack(link.stack_name, await world.template(id, 'yaml'));
    const what = JSON.stringify({ ...set, ...switches });
    const given = await byLink.policiesOf(aws.role_name);
    t.same({ ...given, inline: Object.keys(given.inline) }, expected, what);
    t.same(given, await byHand.policiesOf(aws.role_name), `${what}: to the letter`);
    const [trust, baked] = [await byLink.trustOf(aws.role_name), await byHand.trustOf(aws.role_name)];
    const actions = trust.Statement[0].Action;
    t.same(actions, baked.Statement[0].Action, `${what}: ${actions}`);
    t.equal(actions.length, 1 + Object.keys(switches).length, `${what}: what is switched on, and nothing else`);
  }
});

t.test('every permission set of the baked template, as YAML and JSON', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const sets = [
    { permission_set: 'administrator' },
    { permission_set: 'core', additions: ['s3', 'rds', 'elasticache', 'sns', 'sqs'] },
    { permission_set: 'read-only' },
    { permission_set: 'custom', custom_policy: POLICY },
  ];
  let n = 0;
  for (const set of sets) {
    const format = n % 2 === 0 ? 'yaml' : 'json';
    const switches = {
      session_tags: n % 2 === 1,
      source_identity: n > 1,
      max_session_seconds: n === 0 ? 43_200 : 900,
      algorithm: n === 2 ? 'RS256' : 'ES256',
    };
    const { id } = await world.create({ ...switches, aws: { account_id: ACCOUNT, ...set } });
    await owner.createStack(`stack-${(n += 1)}`, await world.template(id, format));
    await world.hurry(id);
    t.match(
      await world.get(id, '?wait=active&timeout_seconds=20'),
      { state: 'active' },
      `${set.permission_set} as ${format}`,
    );
  }
});

t.test('what was edited on the way shows up at STS, with the line to mend', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const { id, subject, aws } = await world.create();
  const [one, other] = [await world.template(id, 'json'), await world.create()];
  await owner.createStack('edited', one.replaceAll(`"${subject}"`, `"${other.subject}"`));
  await world.hurry(id);
  const seen = await world.until(id, ({ verification }) => verification?.last_code === 'AccessDenied');
  t.match(seen, { state: 'verifying', verification: { last_code: 'AccessDenied' } });
  t.ok(seen.verification.last_detail.includes(`:sub": "${subject}"`), seen.verification.last_detail);
  const trust = await owner.trustOf(aws.role_name);
  const conditions = trust.Statement[0].Condition.StringEquals;
  for (const key of Object.keys(conditions)) if (key.endsWith(':sub')) conditions[key] = subject;
  await owner.setTrust(aws.role_name, trust);
  await world.hurry(id);
  t.match(await world.get(id, '?wait=active&timeout_seconds=20'), { state: 'active' }, 'mended by hand');
});

t.test('an active connection whose trust is taken away is degraded, and well again with it', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const { id, aws } = await world.create();
  await owner.createStack('one', await world.template(id, 'yaml'));
  await world.hurry(id);
  t.equal((await world.get(id, '?wait=active')).state, 'active');
  const trust = await owner.trustOf(aws.role_name);
  await owner.setTrust(aws.role_name, { ...trust, Statement: [{ ...trust.Statement[0], Effect: 'Deny' }] });
  await world.service.call('POST', `/v1/connections/${id}/verify`);
  t.match(
    await world.until(id, ({ verification }) => verification?.attempts > 0),
    { state: 'active', verification: { last_code: 'AccessDenied' } },
    'not for the first refusals',
  );
  await world.hurry(id, 61);
  t.match(await world.until(id, ({ state }) => state === 'degraded'), {
    state: 'degraded',
    state_reason: 'AccessDenied',
  });
  await owner.setTrust(aws.role_name, trust);
  await world.hurry(id);
  t.match(await world.until(id, ({ state }) => state === 'active'), {
    state: 'active',
    state_reason: '',
    verification: null,
  });
});

t.test('a stack that is deleted and created again is another role', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const { id } = await world.create();
  const template = await world.template(id, 'yaml');
  await owner.createStack('one', template);
  await world.hurry(id);
  const { aws } = await world.get(id, '?wait=active');
  await owner.deleteStack('one');
  await owner.createStack('two', template);
  await world.service.call('POST', `/v1/connections/${id}/verify`);
  const seen = await world.until(id, ({ state }) => state === 'degraded');
  t.match(seen, { state: 'degraded', state_reason: 'role_recreated', aws: { role_id: aws.role_id } });
  await world.service.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
  const accepted = await world.until(id, ({ state }) => state === 'active');
  t.equal(accepted.state, 'active');
  t.not(accepted.aws.role_id, aws.role_id);
});

t.test('a slow start, throttling and an outage of AWS only take patience', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  world.sandbox.options.consistencyDelayMs = 500;
  const { id } = await world.create();
  const { faults } = world.sandbox;
  const action = 'AssumeRoleWithWebIdentity';
  // AWS is out of order before there is a stack, and without a gap between two faults: nothing verifies meanwhile.
  faults.add({ kind: 'throttle', action });
  await owner.createStack('one', await world.template(id, 'yaml'));
  for (const [fault, code] of [
    [{ kind: 'throttle', action }, /^Throttling$/],
    [{ kind: 'error', action, status: 503 }, /^(ServiceUnavailable|InternalFailure|Unreadable)$/],
    [{ kind: 'reset', action }, /^Unreachable$/],
  ] as const) {
    faults.clear();
    faults.add(fault);
    const { attempts } = (await world.get(id)).verification;
    await world.hurry(id);
    const seen = await world.until(
      id,
      ({ verification }) => verification?.attempts > attempts && code.test(verification.last_code),
    );
    t.match(seen, { state: 'verifying', verification: { last_code: code } }, fault.kind);
  }
  faults.clear();
  await world.hurry(id);
  t.match(await world.get(id, '?wait=active&timeout_seconds=20'), { state: 'active' });
});

t.test("a disconnected connection's tokens are gone with its keys", async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT);
  const { id, issuer } = await world.create();
  await owner.createStack('one', await world.template(id, 'yaml'));
  await world.hurry(id);
  t.equal((await world.get(id, '?wait=active')).state, 'active');
  const { db } = world.service.database;
  const held = () =>
    db
      .selectFrom('private_keys as p')
      .innerJoin('signing_keys as k', 'k.kid', 'p.kid')
      .innerJoin('rings as r', 'r.id', 'k.ring')
      .select('p.kid')
      .where('r.issuer', '=', issuer.id)
      .execute();
  t.equal((await held()).length, 2);
  t.equal((await world.service.call('DELETE', `/v1/connections/${id}`)).body.state, 'disconnected');
  t.equal((await held()).length, 0);
});

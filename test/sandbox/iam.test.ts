// IAM's own calls, with its real client: providers, roles and policies, made, read, changed and deleted.
import * as iamApi from '@aws-sdk/client-iam';
import t from 'tap';
import { ACCOUNT, clients, createWorld, refusal, sessionClients, trustPolicy } from './world.ts';

const POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
});

t.test('OIDC providers: read, listed, changed, deleted', async (t) => {
  const { iam, issuer } = await createWorld(t);
  const OpenIDConnectProviderArn = `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.hostAndPath}`;
  const get = () => iam.send(new iamApi.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }));
  const { Url, ClientIDList, ThumbprintList } = await get();
  t.same([Url, ClientIDList, ThumbprintList], [issuer.hostAndPath, ['sts.amazonaws.com'], []]);
  t.match((await iam.send(new iamApi.ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList, [
    { Arn: OpenIDConnectProviderArn },
  ]);
  await iam.send(new iamApi.AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID: 'two' }));
  await iam.send(
    new iamApi.RemoveClientIDFromOpenIDConnectProviderCommand({
      OpenIDConnectProviderArn,
      ClientID: 'sts.amazonaws.com',
    }),
  );
  await iam.send(
    new iamApi.UpdateOpenIDConnectProviderThumbprintCommand({
      OpenIDConnectProviderArn,
      ThumbprintList: ['a'.repeat(40)],
    }),
  );
  await iam.send(
    new iamApi.TagOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, Tags: [{ Key: 'k', Value: 'v & <w>' }] }),
  );
  t.match(await get(), {
    ClientIDList: ['two'],
    ThumbprintList: ['a'.repeat(40)],
    Tags: [{ Key: 'k', Value: 'v & <w>' }],
  });
  await iam.send(new iamApi.DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }));
  t.match(await refusal(get()), { code: 'NoSuchEntity', status: 404 });
});

t.test('roles: read, listed, changed, deleted', async (t) => {
  const { iam, issuer } = await createWorld(t);
  const RoleName = 'Other';
  const { Role } = await iam.send(
    new iamApi.CreateRoleCommand({
      RoleName,
      Path: '/team/',
      AssumeRolePolicyDocument: trustPolicy(issuer),
      Description: 'd',
      MaxSessionDuration: 7200,
      Tags: [{ Key: 'a', Value: 'b' }],
    }),
  );
  t.match(Role, {
    Arn: `arn:aws:iam::${ACCOUNT}:role/team/Other`,
    Path: '/team/',
    RoleId: /^AROA[A-Z2-7]{17}$/,
    MaxSessionDuration: 7200,
  });
  const get = async () => (await iam.send(new iamApi.GetRoleCommand({ RoleName }))).Role;
  t.equal(decodeURIComponent((await get())?.AssumeRolePolicyDocument ?? ''), trustPolicy(issuer));
  t.equal((await get())?.RoleId, Role?.RoleId, 'the id stays');
  await iam.send(new iamApi.UpdateRoleCommand({ RoleName, Description: 'e', MaxSessionDuration: 3600 }));
  const trust = trustPolicy(issuer, { effect: 'Deny' });
  await iam.send(new iamApi.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
  await iam.send(new iamApi.UntagRoleCommand({ RoleName, TagKeys: ['a'] }));
  const changed = await get();
  t.match(changed, { Description: 'e', MaxSessionDuration: 3600 });
  t.same(changed?.Tags, []);
  t.equal(decodeURIComponent(changed?.AssumeRolePolicyDocument ?? ''), trust);
  const names = async () => (await iam.send(new iamApi.ListRolesCommand({}))).Roles?.map((one) => one.RoleName);
  t.same(await names(), ['countersign', 'Other']);
  t.same((await iam.send(new iamApi.ListRolesCommand({ PathPrefix: '/team/' }))).Roles?.length, 1);
  await iam.send(new iamApi.DeleteRoleCommand({ RoleName }));
  t.same(await names(), ['countersign']);
  t.same(await refusal(get()), {
    code: 'NoSuchEntity',
    status: 404,
    message: 'The role with name Other cannot be found.',
  });
});

t.test('what IAM refuses of a role', async (t) => {
  const { iam, issuer } = await createWorld(t);
  const create = (change: Partial<iamApi.CreateRoleCommandInput>) =>
    refusal(
      iam.send(
        new iamApi.CreateRoleCommand({ RoleName: 'r', AssumeRolePolicyDocument: trustPolicy(issuer), ...change }),
      ),
    );
  t.match(
    await create({ RoleName: 'COUNTERSIGN' }),
    { code: 'EntityAlreadyExists', status: 409 },
    'names differ by more than case',
  );
  t.match(await create({ RoleName: 'a'.repeat(65) }), { code: 'ValidationError' });
  t.match(await create({ RoleName: 'a b' }), { code: 'ValidationError' });
  t.match(await create({ MaxSessionDuration: 3599 }), { code: 'ValidationError' });
  t.match(await create({ MaxSessionDuration: 43201 }), { code: 'ValidationError' });
  t.match(await create({ Path: 'x' }), { code: 'ValidationError' });
  t.match(await create({ AssumeRolePolicyDocument: '{}' }), { code: 'MalformedPolicyDocument', status: 400 });
  const big = trustPolicy(issuer, { condition: { StringEquals: { 'aws:x': 'a'.repeat(2048) } } });
  t.same(await create({ AssumeRolePolicyDocument: big }), {
    code: 'LimitExceeded',
    status: 409,
    message: 'Cannot exceed quota for ACLSizePerRole: 2048',
  });
  t.match(
    await create({ AssumeRolePolicyDocument: trustPolicy(issuer).replaceAll(',', `,${' '.repeat(500)}`) }),
    { code: 'none' },
    'white space is free',
  );
});

t.test('policies of a role, inline and attached; a role with any cannot be deleted', async (t) => {
  const { iam } = await createWorld(t);
  const RoleName = 'countersign';
  await iam.send(new iamApi.PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument: POLICY }));
  t.same((await iam.send(new iamApi.ListRolePoliciesCommand({ RoleName }))).PolicyNames, ['p']);
  const { PolicyDocument = '' } = await iam.send(new iamApi.GetRolePolicyCommand({ RoleName, PolicyName: 'p' }));
  t.equal(decodeURIComponent(PolicyDocument), POLICY);
  const remove = () => refusal(iam.send(new iamApi.DeleteRoleCommand({ RoleName })));
  t.same(await remove(), {
    code: 'DeleteConflict',
    status: 409,
    message: 'Cannot delete entity, must delete policies first.',
  });
  await iam.send(new iamApi.DeleteRolePolicyCommand({ RoleName, PolicyName: 'p' }));
  const { Policy } = await iam.send(new iamApi.CreatePolicyCommand({ PolicyName: 'own', PolicyDocument: POLICY }));
  for (const PolicyArn of [
    Policy?.Arn,
    'arn:aws:iam::aws:policy/SecurityAudit',
    'arn:aws:iam::aws:policy/job-function/ViewOnlyAccess',
  ]) {
    await iam.send(new iamApi.AttachRolePolicyCommand({ RoleName, PolicyArn }));
  }
  const attached = await iam.send(new iamApi.ListAttachedRolePoliciesCommand({ RoleName }));
  t.same(
    attached.AttachedPolicies?.map((one) => one.PolicyName),
    ['own', 'SecurityAudit', 'ViewOnlyAccess'],
  );
  t.match(
    await refusal(
      iam.send(new iamApi.AttachRolePolicyCommand({ RoleName, PolicyArn: 'arn:aws:iam::aws:policy/Nothing' })),
    ),
    { code: 'NoSuchEntity' },
  );
  t.same(await remove(), {
    code: 'DeleteConflict',
    status: 409,
    message: 'Cannot delete entity, must detach all policies first.',
  });
  t.match(await refusal(iam.send(new iamApi.DeletePolicyCommand({ PolicyArn: Policy?.Arn }))), {
    code: 'DeleteConflict',
  });
  for (const { PolicyArn } of attached.AttachedPolicies ?? [])
    await iam.send(new iamApi.DetachRolePolicyCommand({ RoleName, PolicyArn }));
  await iam.send(new iamApi.DeletePolicyCommand({ PolicyArn: Policy?.Arn }));
  t.equal((await remove()).code, 'none');
});

t.test('sizes of policies', async (t) => {
  const { iam } = await createWorld(t);
  const sized = (length: number) => POLICY.replace('s3:*', `s3:${'a'.repeat(length - POLICY.length + 1)}`);
  const put = (PolicyName: string, PolicyDocument: string) =>
    refusal(iam.send(new iamApi.PutRolePolicyCommand({ RoleName: 'countersign', PolicyName, PolicyDocument })));
  t.equal(sized(10240).length, 10240);
  t.match(await put('a', sized(10241)), { code: 'LimitExceeded', status: 409 });
  t.equal((await put('a', sized(10240))).code, 'none');
  t.match(await put('b', POLICY), { code: 'LimitExceeded' }, 'all inline policies together');
  const create = (PolicyDocument: string) =>
    refusal(iam.send(new iamApi.CreatePolicyCommand({ PolicyName: 'm', PolicyDocument })));
  t.same(await create(sized(6145)), {
    code: 'LimitExceeded',
    status: 409,
    message: 'Cannot exceed quota for PolicySize: 6144',
  });
  t.equal((await create(sized(6144))).code, 'none');
});

t.test('a permissions boundary bounds', async (t) => {
  const world = await createWorld(t);
  const { iam, issuer } = world;
  const everything = 'arn:aws:iam::aws:policy/AdministratorAccess';
  await iam.send(
    new iamApi.CreateRoleCommand({
      RoleName: 'bounded',
      AssumeRolePolicyDocument: trustPolicy(issuer),
      PermissionsBoundary: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess',
    }),
  );
  await iam.send(new iamApi.AttachRolePolicyCommand({ RoleName: 'bounded', PolicyArn: everything }));
  const session = sessionClients(
    world.sandbox,
    await world.assume({ RoleArn: `arn:aws:iam::${ACCOUNT}:role/bounded` }),
  );
  t.equal((await refusal(session.iam.send(new iamApi.ListRolesCommand({})))).code, 'none');
  t.match(await refusal(session.iam.send(new iamApi.DeleteRoleCommand({ RoleName: 'bounded' }))), {
    code: 'AccessDenied',
    message: /because no permissions boundary allows the iam:DeleteRole action$/,
  });
});

t.test('accounts do not see each other', async (t) => {
  const { sandbox } = await createWorld(t);
  const { iam } = clients(sandbox.url, sandbox.account('210987654321'));
  t.same((await iam.send(new iamApi.ListRolesCommand({}))).Roles, []);
  t.match(await refusal(iam.send(new iamApi.GetRoleCommand({ RoleName: 'countersign' }))), { code: 'NoSuchEntity' });
  t.same(sandbox.account('210987654321'), sandbox.account('210987654321'), 'made once');
  t.throws(() => sandbox.account('12'), /12 digits/);
});

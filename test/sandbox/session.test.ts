// What a session may do: session policies united and intersected, GetCallerIdentity always, and no recall from outside.
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import t from 'tap';
import type { TestWorld } from './world.ts';
import { ACCOUNT, allow, createWorld, deny, policy, refusal, sessionClients, trustPolicy } from './world.ts';

t.test('session policies are united, then intersected with the role', async (t) => {
  const world = await createWorld(t);
  const { assume, iam } = world;
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: 'countersign',
      PolicyName: 'p',
      PolicyDocument: policy(allow(['iam:GetRole', 'iam:ListRoles'])),
    }),
  );
  const can = async (options: Parameters<TestWorld['assume']>[0]) => {
    const { iam: mine } = sessionClients(world.sandbox, await assume(options));
    const get = await refusal(mine.send(new GetRoleCommand({ RoleName: 'countersign' })));
    const list = await refusal(mine.send(new ListRolesCommand({})));
    return [get.code === 'none', list.code === 'none'];
  };
  t.same(await can({}), [true, true], 'the role alone');
  t.same(await can({ Policy: policy(allow('iam:GetRole')) }), [true, false], 'narrowed inline');
  t.same(
    await can({
      Policy: policy(allow('iam:GetRole')),
      PolicyArns: [{ arn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' }],
    }),
    [true, true],
    'united',
  );
  t.same(
    await can({ PolicyArns: [{ arn: 'arn:aws:iam::aws:policy/AmazonS3FullAccess' }] }),
    [false, false],
    'nothing in common',
  );
  t.same(await can({ Policy: policy(allow('*'), deny('iam:ListRoles')) }), [true, false], 'a deny wins');
  const { iam: mine } = sessionClients(world.sandbox, await assume({ Policy: policy(allow('*')) }));
  t.match(await refusal(mine.send(new DeleteRoleCommand({ RoleName: 'countersign' }))), {
    code: 'AccessDenied',
    status: 403,
    message: `User: arn:aws:sts::${ACCOUNT}:assumed-role/countersign/session is not authorized to perform: iam:DeleteRole on resource: role countersign because no identity-based policy allows the iam:DeleteRole action`,
  });
});

t.test("AWS's words: no session policy allows, an explicit deny in one", async (t) => {
  const world = await createWorld(t);
  await world.iam.send(
    new PutRolePolicyCommand({ RoleName: 'countersign', PolicyName: 'p', PolicyDocument: policy(allow('*')) }),
  );
  const list = async (Policy: string) =>
    refusal(sessionClients(world.sandbox, await world.assume({ Policy })).iam.send(new ListRolesCommand({})));
  t.match(await list(policy(allow('s3:*'))), { message: /because no session policy allows the iam:ListRoles action$/ });
  t.match(await list(policy(deny('*'))), { message: /with an explicit deny in a session policy$/ });
});

t.test('GetCallerIdentity needs no permission and cannot be denied, by a session policy either', async (t) => {
  const world = await createWorld(t);
  await world.iam.send(
    new PutRolePolicyCommand({ RoleName: 'countersign', PolicyName: 'no', PolicyDocument: policy(deny('*')) }),
  );
  const answer = await world.assume({ Policy: policy(deny('*')) });
  const { sts, iam } = sessionClients(world.sandbox, answer);
  t.match(await sts.send(new GetCallerIdentityCommand({})), {
    Account: ACCOUNT,
    Arn: `arn:aws:sts::${ACCOUNT}:assumed-role/countersign/session`,
    UserId: answer.AssumedRoleUser?.AssumedRoleId,
  });
  t.match(await refusal(iam.send(new ListRolesCommand({}))), { code: 'AccessDenied' });
});

t.test('a session cannot be recalled from outside; the owner denies on aws:TokenIssueTime', async (t) => {
  const world = await createWorld(t);
  const { iam, clock } = world;
  const put = (PolicyName: string, ...statements: object[]) =>
    iam.send(new PutRolePolicyCommand({ RoleName: 'countersign', PolicyName, PolicyDocument: policy(...statements) }));
  await put('p', allow('iam:*'));
  const before = sessionClients(world.sandbox, await world.assume());
  clock.now += 60_000;
  await put('revoke', {
    ...deny('*'),
    Condition: { DateLessThan: { 'aws:TokenIssueTime': new Date(clock.now).toISOString() } },
  });
  clock.now += 1000;
  const after = sessionClients(world.sandbox, await world.assume());
  t.match(await refusal(before.iam.send(new ListRolesCommand({}))), {
    code: 'AccessDenied',
    message: /explicit deny in an identity-based policy$/,
  });
  t.equal((await refusal(after.iam.send(new ListRolesCommand({})))).code, 'none');
});

t.test('a role made again has another id, and sessions of the first have lost its permissions', async (t) => {
  const world = await createWorld(t);
  const { iam, issuer } = world;
  const put = () =>
    iam.send(
      new PutRolePolicyCommand({ RoleName: 'countersign', PolicyName: 'p', PolicyDocument: policy(allow('iam:*')) }),
    );
  await put();
  const first = await world.assume();
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'countersign', PolicyName: 'p' }));
  await iam.send(new DeleteRoleCommand({ RoleName: 'countersign' }));
  const { Role } = await iam.send(
    new CreateRoleCommand({ RoleName: 'countersign', AssumeRolePolicyDocument: trustPolicy(issuer) }),
  );
  await put();
  t.match(Role?.RoleId, /^AROA[A-Z2-7]{17}$/);
  t.not(first.AssumedRoleUser?.AssumedRoleId, `${Role?.RoleId}:session`);
  const old = sessionClients(world.sandbox, first);
  t.match(await refusal(old.iam.send(new ListRolesCommand({}))), { code: 'AccessDenied' });
  t.match(await old.sts.send(new GetCallerIdentityCommand({})), { Account: ACCOUNT });
});

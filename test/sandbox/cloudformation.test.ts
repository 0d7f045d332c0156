// Stacks, with the real client and a template of the shape that customers get: create, update, roll back, delete.
import * as cfnApi from '@aws-sdk/client-cloudformation';
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  DeleteRolePolicyCommand,
  ListOpenIDConnectProvidersCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import t from 'tap';
import { sign } from './issuer.ts';
import { parameters, stackWorld } from './stack-world.ts';
import { ACCOUNT, allow, policy, refusal, sessionClients, trustPolicy } from './world.ts';

t.test('a stack is created, and its role can be assumed', async (t) => {
  const world = await stackWorld(t);
  const { StackId } = await world.create();
  t.match(StackId, /^arn:aws:cloudformation:us-east-1:123456789012:stack\/cs\/[0-9a-f-]{36}$/);
  await cfnApi.waitUntilStackCreateComplete(
    { client: world.cfn, minDelay: 1, maxDelay: 2, maxWaitTime: 5 },
    { StackName: 'cs' },
  );
  const stack = await world.stack();
  t.match(stack, {
    StackStatus: 'CREATE_COMPLETE',
    Capabilities: ['CAPABILITY_NAMED_IAM'],
    Description: 'Lets Countersign act in this account',
  });
  t.same(
    stack?.Outputs?.map((one) => [one.OutputKey, one.OutputValue]),
    [
      ['RoleArn', `arn:aws:iam::${ACCOUNT}:role/countersign-stack`],
      ['ProviderArn', `arn:aws:iam::${ACCOUNT}:oidc-provider/${world.own.hostAndPath}`],
      ['AccountId', ACCOUNT],
    ],
  );
  t.same(await world.events(), [
    'cs CREATE_IN_PROGRESS',
    'Provider CREATE_IN_PROGRESS',
    'Provider CREATE_COMPLETE',
    'Role CREATE_IN_PROGRESS',
    'Role CREATE_COMPLETE',
    'cs CREATE_COMPLETE',
  ]);
  const { StackResources } = await world.cfn.send(new cfnApi.DescribeStackResourcesCommand({ StackName: 'cs' }));
  t.same(
    StackResources?.map((one) => [one.LogicalResourceId, one.ResourceType, one.PhysicalResourceId]),
    [
      ['Provider', 'AWS::IAM::OIDCProvider', `arn:aws:iam::${ACCOUNT}:oidc-provider/${world.own.hostAndPath}`],
      ['Role', 'AWS::IAM::Role', 'countersign-stack'],
    ],
  );
  const token = (sub: string) => sign(world.own.key, world.claims({ iss: world.own.url, sub }));
  const assume = async (sub: string) =>
    world.assume({ RoleArn: `arn:aws:iam::${ACCOUNT}:role/countersign-stack`, WebIdentityToken: await token(sub) });
  t.match(await assume('cn_abc'), { SubjectFromWebIdentityToken: 'cn_abc' });
  t.match(await refusal(assume('cn_abd')), { code: 'AccessDenied' });
});

t.test('a failed creation is rolled back, with the reason in the events', async (t) => {
  const { create, cfn, iam, issuer, stack } = await stackWorld(t);
  await iam.send(
    new CreateRoleCommand({ RoleName: 'countersign-stack', AssumeRolePolicyDocument: trustPolicy(issuer) }),
  );
  await create();
  t.match(await stack(), { StackStatus: 'ROLLBACK_COMPLETE' });
  const { StackEvents = [] } = await cfn.send(new cfnApi.DescribeStackEventsCommand({ StackName: 'cs' }));
  t.match(
    StackEvents.find((one) => one.ResourceStatus === 'CREATE_FAILED')?.ResourceStatusReason,
    /^Resource handler returned message: "Role with name countersign-stack already exists\. \(Service: Iam, Status Code: 409, Request ID: .*HandlerErrorCode: AlreadyExists\)$/,
  );
  t.equal(
    (await iam.send(new ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList?.length,
    1,
    'the provider was taken back',
  );
  t.equal((await iam.send(new ListRolesCommand({}))).Roles?.length, 2, 'the role of somebody else was not');
  t.match(await refusal(create()), {
    code: 'AlreadyExistsException',
    status: 400,
    message: 'Stack [cs] already exists',
  });
  const update = new cfnApi.UpdateStackCommand({ StackName: 'cs', UsePreviousTemplate: true });
  t.match(await refusal(cfn.send(update)), {
    code: 'ValidationError',
    message: /is in ROLLBACK_COMPLETE state and can not be updated\.$/,
  });
});

t.test('the issuer must be live before the stack runs', async (t) => {
  const { create, own, cfn, stack } = await stackWorld(t);
  own.before = async () => 503;
  await create({}, { OnFailure: 'DO_NOTHING' });
  t.match(await stack(), { StackStatus: 'CREATE_FAILED', StackStatusReason: /failed to create: \[Provider\]/ });
  const { StackEvents = [] } = await cfn.send(new cfnApi.DescribeStackEventsCommand({ StackName: 'cs' }));
  t.match(
    StackEvents.find((one) => one.LogicalResourceId === 'Provider')?.ResourceStatusReason,
    /Failed to connect to OpenID Connect issuer url/,
  );
});

t.test('a duplicate provider fails, and its rollback deletes the live one, as seen at AWS', async (t) => {
  const { create, iam, own, stack } = await stackWorld(t);
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: own.url }));
  await create();
  t.match(await stack(), { StackStatus: 'ROLLBACK_COMPLETE' });
  const { OpenIDConnectProviderList = [] } = await iam.send(new ListOpenIDConnectProvidersCommand({}));
  t.same(
    OpenIDConnectProviderList.filter((one) => one.Arn?.endsWith('is_abc')),
    [],
  );
});

t.test('a deleted stack takes its resources along, and is found by its id alone', async (t) => {
  const { create, cfn, iam, stack } = await stackWorld(t);
  const { StackId = '' } = await create({ PermissionSet: 'core' });
  await cfn.send(new cfnApi.DeleteStackCommand({ StackName: 'cs' }));
  t.same((await iam.send(new ListRolesCommand({}))).Roles?.length, 1);
  t.same((await iam.send(new ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList?.length, 1);
  t.same(await refusal(stack()), { code: 'ValidationError', status: 400, message: 'Stack with id cs does not exist' });
  t.match(await stack(StackId), { StackStatus: 'DELETE_COMPLETE' });
  await cfn.send(new cfnApi.DeleteStackCommand({ StackName: 'cs' }));
  t.match(await create(), { StackId: /stack\/cs\// }, 'the name is free again');
});

t.test('a stack that was rolled back takes nothing of another along when it is deleted', async (t) => {
  const { create, cfn, iam, own, stack } = await stackWorld(t);
  const arns = async () =>
    (await iam.send(new ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList?.map((one) => one.Arn);
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: own.url }));
  await create();
  t.match(await stack(), { StackStatus: 'ROLLBACK_COMPLETE' });
  await create({}, { StackName: 'other' });
  t.match(await stack('other'), { StackStatus: 'CREATE_COMPLETE' });
  await cfn.send(new cfnApi.DeleteStackCommand({ StackName: 'cs' }));
  t.match(await refusal(stack()), { message: 'Stack with id cs does not exist' });
  t.ok((await arns())?.includes(`arn:aws:iam::${ACCOUNT}:oidc-provider/${own.hostAndPath}`), "the other's lives");
});

t.test('a deletion that failed is tried again for what is left alone', async (t) => {
  const { create, cfn, iam, own, stack, events } = await stackWorld(t);
  const { StackId = '' } = await create();
  const added = { RoleName: 'countersign-stack', PolicyName: 'added' };
  const PolicyDocument = policy(allow('s3:*'));
  await iam.send(new PutRolePolicyCommand({ ...added, PolicyDocument }));
  const remove = () => cfn.send(new cfnApi.DeleteStackCommand({ StackName: 'cs' }));
  await remove();
  t.match(await stack(), { StackStatus: 'DELETE_FAILED', StackStatusReason: /failed to delete: \[Role\]/ });
  t.same((await events()).slice(-5, -1), [
    'Role DELETE_IN_PROGRESS',
    'Role DELETE_FAILED',
    'Provider DELETE_IN_PROGRESS',
    'Provider DELETE_COMPLETE',
  ]);
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: own.url }));
  await iam.send(new DeleteRolePolicyCommand(added));
  await remove();
  t.match(await stack(StackId), { StackStatus: 'DELETE_COMPLETE' });
  t.same((await iam.send(new ListRolesCommand({}))).Roles?.length, 1, 'the role is gone');
  const { OpenIDConnectProviderList = [] } = await iam.send(new ListOpenIDConnectProvidersCommand({}));
  t.equal(OpenIDConnectProviderList.length, 2, 'the provider made since is not');
});

t.test('CloudFormation acts with the rights of its caller', async (t) => {
  const world = await stackWorld(t);
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['cloudformation:*', 'iam:*OpenIDConnect*'], Resource: '*' }],
  });
  const session = sessionClients(world.sandbox, await world.assume());
  const create = () =>
    session.cfn.send(
      new cfnApi.CreateStackCommand({
        StackName: 'cs',
        TemplateBody: world.body,
        Parameters: parameters({}),
        Capabilities: ['CAPABILITY_NAMED_IAM'],
      }),
    );
  t.match(await refusal(create()), {
    code: 'AccessDenied',
    status: 403,
    message:
      /is not authorized to perform: cloudformation:CreateStack on resource: arn:aws:cloudformation:us-east-1:123456789012:stack\/cs\/\* because no identity-based policy allows/,
  });
  await world.iam.send(new PutRolePolicyCommand({ RoleName: 'countersign', PolicyName: 'p', PolicyDocument }));
  await create();
  t.match(await world.stack(), { StackStatus: 'ROLLBACK_COMPLETE' });
  const { StackEvents = [] } = await world.cfn.send(new cfnApi.DescribeStackEventsCommand({ StackName: 'cs' }));
  t.match(
    StackEvents.find((one) => one.ResourceStatus === 'CREATE_FAILED')?.ResourceStatusReason,
    /is not authorized to perform: iam:CreateRole/,
  );
});

// Updates of a stack: in place, by replacement, rolled back, and by change set.
import * as cfnApi from '@aws-sdk/client-cloudformation';
import {
  CreateRoleCommand,
  GetRoleCommand,
  ListAttachedRolePoliciesCommand,
  ListOpenIDConnectProvidersCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam';
import t from 'tap';
import type { Values } from './stack-world.ts';
import { parameters, stackWorld } from './stack-world.ts';
import { refusal, trustPolicy } from './world.ts';

t.test('conditions choose policies; an update changes them in place', async (t) => {
  const { create, update, iam, stack, events } = await stackWorld(t);
  await create({ PermissionSet: 'administrator' });
  const RoleName = 'countersign-stack';
  const policies = async () => [
    (await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }))).AttachedPolicies?.map((one) => one.PolicyName),
    (await iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames,
  ];
  t.same(await policies(), [['AdministratorAccess'], []]);
  const { Role: before } = await iam.send(new GetRoleCommand({ RoleName }));
  await update(
    { PermissionSet: 'core', AddS3: 'true', ConnectionId: 'cn_def' },
    { UsePreviousTemplate: true, TemplateBody: undefined },
  );
  t.same(await policies(), [[], ['core', 's3']]);
  const { Role: after } = await iam.send(new GetRoleCommand({ RoleName }));
  t.equal(after?.RoleId, before?.RoleId, 'the role is the same one');
  t.match(decodeURIComponent(after?.AssumeRolePolicyDocument ?? ''), /"cn_def"/);
  t.match((await stack())?.Outputs?.find((one) => one.OutputKey === 'Joined')?.OutputValue, 'def-cs');
  await update({ PermissionSet: 'core', AddS3: 'false', ConnectionId: true });
  t.same(await policies(), [[], ['core']]);
  t.same((await events()).slice(-4), [
    'cs UPDATE_COMPLETE_CLEANUP_IN_PROGRESS',
    'S3Policy DELETE_IN_PROGRESS',
    'S3Policy DELETE_COMPLETE',
    'cs UPDATE_COMPLETE',
  ]);
  t.same(await refusal(update({ PermissionSet: true, AddS3: true, ConnectionId: true })), {
    code: 'ValidationError',
    status: 400,
    message: 'No updates are to be performed.',
  });
});

t.test('a changed issuer or role name replaces, and the old one goes last', async (t) => {
  const { create, update, iam, own, events } = await stackWorld(t);
  await create();
  own.everywhere = true;
  await update({ IssuerId: 'is_def', RoleName: 'renamed' });
  const { OpenIDConnectProviderList = [] } = await iam.send(new ListOpenIDConnectProvidersCommand({}));
  t.same(
    OpenIDConnectProviderList.map((one) => one.Arn?.split('/').at(-1)),
    ['is_test', 'is_def'],
  );
  t.same(
    (await iam.send(new ListRolesCommand({}))).Roles?.map((one) => one.RoleName),
    ['countersign', 'renamed'],
  );
  t.same((await events()).slice(-6), [
    'cs UPDATE_COMPLETE_CLEANUP_IN_PROGRESS',
    'Role DELETE_IN_PROGRESS',
    'Role DELETE_COMPLETE',
    'Provider DELETE_IN_PROGRESS',
    'Provider DELETE_COMPLETE',
    'cs UPDATE_COMPLETE',
  ]);
});

t.test('a failed update is rolled back to what was', async (t) => {
  const { create, update, iam, issuer, stack, events } = await stackWorld(t);
  await create();
  await iam.send(new CreateRoleCommand({ RoleName: 'taken', AssumeRolePolicyDocument: trustPolicy(issuer) }));
  await update({ RoleName: 'taken', PermissionSet: 'core' });
  t.match(await stack(), {
    StackStatus: 'UPDATE_ROLLBACK_COMPLETE',
    Parameters: [{}, {}, { ParameterKey: 'RoleName', ParameterValue: 'countersign-stack' }],
  });
  t.ok((await events()).includes('Role CREATE_FAILED'));
  t.match(await iam.send(new GetRoleCommand({ RoleName: 'countersign-stack' })), {
    Role: { RoleName: 'countersign-stack' },
  });
  await update({ PermissionSet: 'administrator' });
  t.match(await stack(), { StackStatus: 'UPDATE_COMPLETE' }, 'and it can be updated again');
});

t.test('change sets, as `aws cloudformation deploy` uses them', async (t) => {
  const { cfn, body, stack } = await stackWorld(t);
  const make = (ChangeSetName: string, ChangeSetType: cfnApi.ChangeSetType, values: Values = {}) =>
    cfn.send(
      new cfnApi.CreateChangeSetCommand({
        StackName: 'cs',
        ChangeSetName,
        ChangeSetType,
        TemplateBody: body,
        Capabilities: ['CAPABILITY_NAMED_IAM'],
        Parameters: parameters(values),
      }),
    );
  const describe = (ChangeSetName: string) =>
    cfn.send(new cfnApi.DescribeChangeSetCommand({ StackName: 'cs', ChangeSetName }));
  const { Id } = await make('one', 'CREATE');
  t.match(await stack(), { StackStatus: 'REVIEW_IN_PROGRESS' });
  const shown = await describe('one');
  t.match(shown, { Status: 'CREATE_COMPLETE', ExecutionStatus: 'AVAILABLE', ChangeSetId: Id });
  t.same(
    shown.Changes?.map((one) => [one.ResourceChange?.Action, one.ResourceChange?.LogicalResourceId]),
    [
      ['Add', 'Provider'],
      ['Add', 'Role'],
    ],
  );
  await cfn.send(new cfnApi.ExecuteChangeSetCommand({ ChangeSetName: Id }));
  t.match(await stack(), { StackStatus: 'CREATE_COMPLETE' });
  await make('two', 'UPDATE');
  t.match(await describe('two'), {
    Status: 'FAILED',
    StatusReason: /^The submitted information didn't contain changes\./,
  });
  await make('three', 'UPDATE', { PermissionSet: 'core' });
  await cfn.send(new cfnApi.ExecuteChangeSetCommand({ StackName: 'cs', ChangeSetName: 'three' }));
  t.match(await stack(), { StackStatus: 'UPDATE_COMPLETE' });
  t.match(await refusal(describe('four')), { code: 'ChangeSetNotFound', status: 404 });
});

// Partitions: none knows another's managed policies, and our template makes its role in each.
import * as iamApi from '@aws-sdk/client-iam';
import t from 'tap';
import { ACCOUNT, openOwner, openWorld } from '../connections/aws.ts';
import { clients, createWorld, refusal, trustPolicy } from './world.ts';

t.test("another partition's managed policy is refused: attached, as a boundary, for a session", async (t) => {
  const { sandbox, issuer, assume } = await createWorld(t);
  const { iam } = clients(sandbox.url, sandbox.account(ACCOUNT), 'cn-north-1');
  const { OpenIDConnectProviderArn: Federated } = await iam.send(
    new iamApi.CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com'] }),
  );
  const AssumeRolePolicyDocument = trustPolicy(issuer, { principal: { Federated } });
  const RoleName = 'there';
  const [own, foreign] = ['arn:aws-cn:iam::aws:policy/ReadOnlyAccess', 'arn:aws:iam::aws:policy/ReadOnlyAccess'];
  await iam.send(new iamApi.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument, PermissionsBoundary: own }));
  const invalid = { code: 'ValidationError', status: 400, message: 'Invalid ARN partition' };
  const other = { RoleName: 'other', AssumeRolePolicyDocument, PermissionsBoundary: foreign };
  const attach = (PolicyArn: string) => iam.send(new iamApi.AttachRolePolicyCommand({ RoleName, PolicyArn }));
  t.same(await refusal(attach(foreign)), invalid);
  t.same(await refusal(iam.send(new iamApi.CreateRoleCommand(other))), invalid);
  const bound = new iamApi.PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: foreign });
  t.same(await refusal(iam.send(bound)), invalid);
  t.same(await refusal(iam.send(new iamApi.GetPolicyCommand({ PolicyArn: foreign }))), invalid);
  await attach(own);
  const session = (arn: string) => assume({ RoleArn: `arn:aws-cn:iam::${ACCOUNT}:role/there`, PolicyArns: [{ arn }] });
  t.match(await refusal(session(foreign)), { code: 'MalformedPolicyDocument', message: /does not exist/ });
  t.match(await session(own), { Credentials: {} });
});

t.test("a policy of another partition's resources is refused: inline, managed, a version of one", async (t) => {
  const { sandbox, issuer } = await createWorld(t);
  const { iam } = clients(sandbox.url, sandbox.account(ACCOUNT), 'cn-north-1');
  const document = (Resource: string, member = 'Resource'): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: 's3:GetObject', [member]: Resource },
    });
  const { OpenIDConnectProviderArn: Federated } = await iam.send(
    new iamApi.CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com'] }),
  );
  const AssumeRolePolicyDocument = trustPolicy(issuer, { principal: { Federated } });
  await iam.send(new iamApi.CreateRoleCommand({ RoleName: 'there', AssumeRolePolicyDocument }));
  const put = (PolicyDocument: string) =>
    iam.send(new iamApi.PutRolePolicyCommand({ RoleName: 'there', PolicyName: 'p', PolicyDocument }));
  const create = (PolicyDocument: string) =>
    iam.send(new iamApi.CreatePolicyCommand({ PolicyName: 'p', PolicyDocument }));
  for (const own of ['arn:aws-cn:s3:::bucket/*', 'arn:*:s3:::bucket/*', '*']) await put(document(own));
  const { Policy } = await create(document('*'));
  const version = (PolicyDocument: string) =>
    iam.send(new iamApi.CreatePolicyVersionCommand({ PolicyArn: Policy?.Arn, PolicyDocument, SetAsDefault: true }));
  const foreign = 'arn:aws:s3:::bucket/*';
  const message = `Partition "aws" is not valid for resource "${foreign}".`;
  for (const refused of [() => put(document(foreign)), () => put(document(foreign, 'NotResource'))])
    t.same(await refusal(refused()), { code: 'MalformedPolicyDocument', status: 400, message });
  for (const refused of [create, version])
    t.same(await refusal(refused(document(foreign))), { code: 'MalformedPolicyDocument', status: 400, message });
});

t.test('our template in cn-north-1: deployed, verified and Active', async (t) => {
  const world = await openWorld(t);
  const owner = openOwner(t, world.sandbox, ACCOUNT, 'cn-north-1');
  const { id, aws } = await world.create({
    aws: { account_id: ACCOUNT, permission_set: 'read-only', region: 'cn-north-1' },
  });
  t.match(aws, { partition: 'aws-cn', role_arn: /^arn:aws-cn:/ });
  t.match(await owner.createStack('cs', await world.template(id, 'yaml')), { RoleArn: aws.role_arn });
  await world.hurry(id);
  t.match(await world.get(id, '?wait=active&timeout_seconds=20'), { state: 'active' });
});

// Scene: refusal, which is the product. Each is expected with its status and code, and printed with its hint.
import { GetRoleCommand, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import { withIam } from '../aws.ts';
import { expectEqual, expectRefusal, expectThat, tellRefusal } from '../expect.ts';
import type { Tell } from '../runner.ts';
import type { Connection } from './connect.ts';
import { askForCredentials, audienceOf, getToken, type WorkloadToken } from './credentials.ts';
import type { House } from './house.ts';
import type { Workload } from './workload.ts';

const SILENT: Tell = () => {};

/** Neither a token for the connection, nor credentials with the widest token that it can get. */
export async function refuseWithoutGrant(
  house: House,
  stranger: Workload,
  connection: Connection,
  tell: Tell,
): Promise<void> {
  const token = getToken(house, stranger, audienceOf(house, connection), SILENT);
  tell(`${stranger.slug} asks for a token for ${connection.name}'s connection`);
  tellRefusal(tell, await expectRefusal(400, 'invalid_target', token));
  const widest = await getToken(house, stranger, `${house.discovered.issuer}/v1/credentials`, SILENT);
  tell('It gets one for every connection that it is granted, which is none, and tries that.');
  tellRefusal(tell, await expectRefusal(404, 'not_found', askForCredentials(house, widest, connection)));
}

/** The same workload, granted both: still, a token for one connection opens that one alone. */
export async function refuseSiblingToken(
  house: House,
  workload: Workload,
  { sibling, connection }: { sibling: Connection; connection: Connection },
  tell: Tell,
): Promise<void> {
  const token = await getToken(house, workload, audienceOf(house, sibling), SILENT);
  const own = await askForCredentials(house, token, sibling);
  expectEqual('the account that it opens', own.AccountId, sibling.aws.account_id);
  tell(
    `At ${sibling.name}'s connection it is good for account ${own.AccountId}; at ${connection.name}'s, which was granted as well:`,
  );
  tellRefusal(tell, await expectRefusal(401, 'invalid_token', askForCredentials(house, token, connection)));
}

interface TrustPolicy {
  Statement: { Condition: { StringEquals: Record<string, string> } }[];
}

async function readTrust({ sandbox }: House, { aws }: Connection): Promise<TrustPolicy> {
  const { Role: role } = await withIam(sandbox.url, sandbox.account(aws.account_id), (client) =>
    client.send(new GetRoleCommand({ RoleName: aws.role_name })),
  );
  return JSON.parse(decodeURIComponent(role?.AssumeRolePolicyDocument ?? '')) as TrustPolicy;
}

async function writeTrust({ sandbox }: House, { aws }: Connection, trust: TrustPolicy): Promise<void> {
  await withIam(sandbox.url, sandbox.account(aws.account_id), (client) =>
    client.send(new UpdateAssumeRolePolicyCommand({ RoleName: aws.role_name, PolicyDocument: JSON.stringify(trust) })),
  );
}

/** @returns the trust policy as it was, to mend it with */
export async function refuseEditedTrust(
  house: House,
  token: WorkloadToken,
  connection: Connection,
  tell: Tell,
): Promise<TrustPolicy> {
  const before = await readTrust(house, connection);
  const edited = structuredClone(before);
  const conditions = edited.Statement[0]?.Condition.StringEquals ?? {};
  const key = Object.keys(conditions).find((name) => name.endsWith(':sub'));
  expectThat(key !== undefined, 'The trust policy must name a subject.');
  expectEqual('the subject that it names', conditions[key], connection.subject);
  conditions[key] = 'somebody-else';
  await writeTrust(house, connection, edited);
  tell('iam:UpdateAssumeRolePolicy, with the subject changed to "somebody-else"');
  tellRefusal(tell, await expectRefusal(403, 'sts_refused', askForCredentials(house, token, connection, 900)));
  return before;
}

export async function mendTrust(
  house: House,
  token: WorkloadToken,
  connection: Connection,
  trust: TrustPolicy,
  tell: Tell,
): Promise<void> {
  await writeTrust(house, connection, trust);
  const { AccountId } = await askForCredentials(house, token, connection, 1200);
  expectEqual('the account', AccountId, connection.aws.account_id);
  tell('The same token is good for the account again.');
}

// Scene: refusal, which is the product. Each is expected with its status and code, and printed with its hint.
import { GetRoleCommand, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import { withIam } from '../aws.ts';
import { expectEqual, expectRefusal, expectThat, refusalNotes } from '../expect.ts';
import type { Tell } from '../runner.ts';
import type { Connection } from './connect.ts';
import { askForCredentials, audienceOf, getToken, type WorkloadToken } from './credentials.ts';
import type { House } from './house.ts';
import type { Workload } from './workload.ts';

const SILENT: Tell = () => {};

/** Neither a token for the connection, nor credentials with the widest token that it can get. */
export async function refuseWithoutGrant(house: House, stranger: Workload, connection: Connection, tell: Tell): Promise<void> {
  const token = getToken(house, stranger, audienceOf(house, connection), SILENT);
  tell(`asks for a token for ${connection.name}'s connection`);
  for (const note of refusalNotes(await expectRefusal(400, 'invalid_target', token))) tell(note);
  const widest = await getToken(house, stranger, `${house.discovered.issuer}/v1/credentials`, SILENT);
  tell('gets a token for "every connection granted", which is none, and tries that');
  for (const note of refusalNotes(await expectRefusal(404, 'not_found', askForCredentials(house, widest, connection)))) tell(note);
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
  tell(`it opens ${sibling.name}'s account ${own.AccountId}; and at ${connection.name}'s connection`);
  for (const note of refusalNotes(await expectRefusal(401, 'invalid_token', askForCredentials(house, token, connection)))) tell(note);
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
export async function refuseEditedTrust(house: House, token: WorkloadToken, connection: Connection, tell: Tell): Promise<TrustPolicy> {
  const before = await readTrust(house, connection);
  const edited = structuredClone(before);
  const conditions = edited.Statement[0]?.Condition.StringEquals ?? {};
  const key = Object.keys(conditions).find((name) => name.endsWith(':sub'));
  expectThat(key !== undefined, 'The trust policy must name a subject.');
  expectEqual('the subject that it names', conditions[key], connection.subject);
  conditions[key] = 'somebody-else';
  await writeTrust(house, connection, edited);
  tell(`UpdateAssumeRolePolicy: "…:sub" is "somebody-else" now`);
  for (const note of refusalNotes(await expectRefusal(403, 'sts_refused', askForCredentials(house, token, connection)))) tell(note);
  return before;
}

export async function mendTrust(house: House, token: WorkloadToken, connection: Connection, trust: TrustPolicy, tell: Tell): Promise<void> {
  await writeTrust(house, connection, trust);
  const { AccountId } = await askForCredentials(house, token, connection);
  expectEqual('the account', AccountId, connection.aws.account_id);
  tell('the same token opens the account again');
}

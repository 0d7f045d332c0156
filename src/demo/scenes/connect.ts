// Scene: customers connect their accounts, each with one stack of the service's own template.
import {
  type CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import { withCloudFormation } from '../aws.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Tell } from '../runner.ts';
import type { House } from './house.ts';

export interface Connection {
  id: string;
  name: string;
  state: string;
  state_reason: string;
  issuer: { id: string; url: string };
  subject: string;
  aws: { account_id: string; role_arn: string; role_name: string; role_id: string | null };
}

export interface Customer {
  /** As people call it here, and the connection's reference. */
  name: string;
  reference: string;
  account: string;
}

export const ACME: Customer = { name: 'Acme', reference: 'acme-production', account: '111122223333' };
export const GLOBEX: Customer = { name: 'Globex', reference: 'globex-production', account: '444455556666' };

export async function registerConnection({ api }: House, customer: Customer, tell: Tell): Promise<Connection> {
  const { name, reference, account } = customer;
  const connection = (await api.create('/v1/connections', {
    ...{ name, reference },
    aws: { account_id: account, permission_set: 'read-only' },
  })) as Connection;
  expectEqual('its state', connection.state, 'pending');
  expectEqual('its account', connection.aws.account_id, account);
  tell(`connection ${connection.id}, account ${account}`);
  tell(`issuer ${connection.issuer.url}`);
  return connection;
}

async function describe(
  client: CloudFormationClient,
  stackName: string,
): Promise<Map<string | undefined, string | undefined>> {
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: stackName }));
  expectEqual('the state of the stack', Stacks?.[0]?.StackStatus, 'CREATE_COMPLETE');
  const outputs = Stacks?.[0]?.Outputs ?? [];
  return new Map(outputs.map((output) => [output.OutputKey, output.OutputValue]));
}

/** What the account's owner does, with credentials that never leave them. */
export async function createStack({ api, sandbox }: House, connection: Connection, tell: Tell): Promise<void> {
  const template = await api.getText(`/v1/connections/${connection.id}/template`, { format: 'yaml' });
  const stackName = `countersign-${connection.name.toLowerCase()}`;
  const outputs = await withCloudFormation(sandbox.url, sandbox.account(connection.aws.account_id), async (client) => {
    const capabilities = { Capabilities: ['CAPABILITY_NAMED_IAM' as const] };
    await client.send(new CreateStackCommand({ StackName: stackName, TemplateBody: template, ...capabilities }));
    await waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { StackName: stackName });
    return describe(client, stackName);
  });
  expectEqual('the role of the stack', outputs.get('RoleArn'), connection.aws.role_arn);
  expectEqual('the issuer that it trusts', outputs.get('IssuerUrl'), connection.issuer.url);
  tell(`stack ${stackName}, ${template.split('\n').length} lines: an OIDC provider and a role, no secret`);
  tell(`role ${connection.aws.role_arn}`);
}

/** One long poll each; the service asks STS every 5 s, and success there is the only proof that it takes. */
export async function becomeActive(
  { api }: House,
  connections: readonly Connection[],
  tell: Tell,
): Promise<Connection[]> {
  return await Promise.all(
    connections.map(async ({ id, name }) => {
      const query = { wait: 'active', timeout_seconds: 30 };
      const found = (await api.get(`/v1/connections/${id}`, query, 40_000)) as Connection;
      expectEqual(`the state of ${name} (${found.state_reason})`, found.state, 'active');
      expectThat(found.aws.role_id !== null, `The role of ${name} must be pinned by its unique id.`);
      tell(`${name} is Active, which means proven; its role is ${found.aws.role_id} from now on, and no other`);
      return found;
    }),
  );
}

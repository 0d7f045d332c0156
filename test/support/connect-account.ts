// A customer's part: the stack of a connection's own template, created in the sandbox with the real SDK.
import { CloudFormationClient, CreateStackCommand, waitUntilStackCreateComplete } from '@aws-sdk/client-cloudformation';
import type { Test } from 'tap';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts';
import { keepShown } from './known-secrets.ts';
import type { TestService } from './service.ts';
import { until } from './until.ts';

export async function startTestSandbox(t: Test, options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ witness: (text) => keepShown('at STS', text), ...options });
  t.teardown(() => sandbox.close());
  return sandbox;
}

/** The owner of an account, as the SDK's clients take it. */
export function ownerConfig(sandbox: Sandbox, accountId: string) {
  return { region: 'us-east-1', endpoint: sandbox.url, credentials: sandbox.account(accountId), maxAttempts: 1 };
}

export async function createStack(
  sandbox: Sandbox,
  accountId: string,
  stackName: string,
  template: string,
): Promise<void> {
  const client = new CloudFormationClient(ownerConfig(sandbox, accountId));
  await client.send(
    new CreateStackCommand({ StackName: stackName, TemplateBody: template, Capabilities: ['CAPABILITY_NAMED_IAM'] }),
  );
  await waitUntilStackCreateComplete({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StackName: stackName });
  client.destroy();
}

export interface TestConnection {
  id: string;
  reference: string | null;
  tenant: string;
  issuer: { id: string; url: string };
  subject: string;
  state: string;
  aws: { account_id: string; role_arn: string; role_name: string };
}

/** Registers a connection, creates its stack, and waits until it is Active, and nobody looks at it any more. */
export async function connectAccount(
  service: TestService,
  sandbox: Sandbox,
  options: { account?: string; body?: object } = {},
): Promise<TestConnection> {
  const account = options.account ?? '111122223333';
  const created = await service.call('POST', '/v1/connections', {
    name: 'A customer',
    aws: { account_id: account, permission_set: 'administrator' },
    ...options.body,
  });
  if (created.status !== 201) throw new Error(`no connection: ${JSON.stringify(created.body)}`);
  const { id } = created.body;
  const template = await service.call('GET', `/v1/connections/${id}/template?format=yaml`);
  await createStack(sandbox, account, `countersign-${id.slice(3, 11)}`, template.body);
  await service.call('POST', `/v1/connections/${id}/verify`, {});
  const wait = () => service.call('GET', `/v1/connections/${id}?wait=active&timeout_seconds=30`);
  let active = await wait();
  // A busy machine may need longer than one request may wait.
  if (active.body.state !== 'active') active = await wait();
  if (active.body.state !== 'active') throw new Error(`not active: ${JSON.stringify(active.body)}`);
  // The template that was fetched and the question may be two looks.
  const isOver = async () => (await service.call('GET', `/v1/connections/${id}`)).body.verification === null;
  if (!(await until(isOver))) throw new Error('it is still looked at');
  return active.body;
}

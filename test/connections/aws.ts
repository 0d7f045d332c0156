// A customer's account in the sandbox, used as its owner would: with AWS's own clients.
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import {
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import type { Test } from 'tap';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestService, type TestService } from '../support/service.ts';

export interface Owner {
  /** Resolves when the stack is as it was asked for, with its outputs; rejects with the reason of a failure. */
  createStack(name: string, template: string, parameters?: Record<string, string>): Promise<Record<string, string>>;
  deleteStack(name: string): Promise<void>;
  trustOf(roleName: string): Promise<any>;
  /** What the role may do: ARNs of managed policies, and inline ones by name. */
  policiesOf(roleName: string): Promise<{ managed: (string | undefined)[]; inline: Record<string, unknown> }>;
  setTrust(roleName: string, document: unknown): Promise<void>;
}

export function openOwner(t: Test, sandbox: Sandbox, accountId: string, region = 'us-east-1'): Owner {
  const { accessKeyId, secretAccessKey } = sandbox.account(accountId);
  const options = { endpoint: sandbox.url, region, credentials: { accessKeyId, secretAccessKey } };
  const [cloudFormation, iam] = [new CloudFormationClient(options), new IAMClient(options)];
  t.teardown(() => [cloudFormation, iam].forEach((client) => client.destroy()));

  async function settle(name: string): Promise<Stack | undefined> {
    for (;;) {
      const { Stacks: [stack] = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: name }));
      if (!stack?.StackStatus?.endsWith('_IN_PROGRESS')) return stack;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return {
    createStack: async (name, template, parameters = {}) => {
      const given = Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
        ParameterKey,
        ParameterValue,
      }));
      await cloudFormation.send(
        new CreateStackCommand({
          StackName: name,
          TemplateBody: template,
          Parameters: given,
          Capabilities: ['CAPABILITY_NAMED_IAM'],
        }),
      );
      const stack = await settle(name);
      if (stack?.StackStatus !== 'CREATE_COMPLETE')
        throw new Error(`${stack?.StackStatus}: ${stack?.StackStatusReason}`);
      return Object.fromEntries(
        (stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? '']),
      );
    },
    deleteStack: async (name) => {
      await cloudFormation.send(new DeleteStackCommand({ StackName: name }));
      await settle(name).catch(() => {});
    },
    trustOf: async (RoleName) => {
      const { Role: role } = await iam.send(new GetRoleCommand({ RoleName }));
      return JSON.parse(decodeURIComponent(role?.AssumeRolePolicyDocument ?? ''));
    },
    policiesOf: async (RoleName) => {
      const { AttachedPolicies = [] } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
      const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
      const inline: Record<string, unknown> = {};
      for (const PolicyName of PolicyNames) {
        const { PolicyDocument = '' } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
        inline[PolicyName] = JSON.parse(decodeURIComponent(PolicyDocument));
      }
      return { managed: AttachedPolicies.map(({ PolicyArn }) => PolicyArn), inline };
    },
    setTrust: async (RoleName, document) => {
      await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(document) }));
    },
  };
}

export interface World {
  sandbox: Sandbox;
  service: TestService;
  create(body?: object): Promise<any>;
  get(id: string, query?: string): Promise<any>;
  template(id: string, format: 'yaml' | 'json'): Promise<string>;
  /** Until the connection is as wanted, 60 s at most; its last sight either way. */
  until(id: string, wanted: (connection: any) => boolean): Promise<any>;
  /** Due now, instead of in some seconds. */
  hurry(id: string, elapsedSeconds?: number): Promise<void>;
}

export const ACCOUNT = '111122223333';

export async function openWorld(t: Test): Promise<World> {
  const sandbox = await startSandbox({ jwksCacheSeconds: 5 });
  t.teardown(() => sandbox.close());
  const env = { STS_ENDPOINT_URL: sandbox.url, TEMPLATE_URL: 'https://bucket.s3.amazonaws.com/template.yaml' };
  const service = await startTestService(t, { env });
  const call = async (method: string, path: string, body?: unknown): Promise<any> => {
    const answer = await service.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const get: World['get'] = (id, query = '') => call('GET', `/v1/connections/${id}${query}`);
  return {
    ...{ sandbox, service, get },
    create: (body = {}) =>
      call('POST', '/v1/connections', { name: 'x', aws: { account_id: ACCOUNT, permission_set: 'core' }, ...body }),
    template: async (id, format) => {
      const body = await call('GET', `/v1/connections/${id}/template?format=${format}`);
      return typeof body === 'string' ? body : JSON.stringify(body);
    },
    until: async (id, wanted) => {
      const end = performance.now() + 60_000;
      for (;;) {
        const connection = await get(id);
        if (wanted(connection) || performance.now() > end) return connection;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    hurry: async (id, elapsedSeconds) => {
      const began = elapsedSeconds === undefined ? {} : { started_at: new Date(Date.now() - elapsedSeconds * 1000) };
      const past = new Date(Date.now() - 1000);
      await service.database.db
        .updateTable('verifications')
        .set({ next_at: past, ...began })
        .where('connection', '=', id)
        .execute();
    },
  };
}

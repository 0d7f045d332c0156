// A world with an issuer of its own for a stack, and short ways to make and read that stack.
import * as cfnApi from '@aws-sdk/client-cloudformation';
import type { Test } from 'tap';
import type { Issuer } from './issuer.ts';
import { startIssuer } from './issuer.ts';
import { template } from './template.ts';
import type { TestWorld } from './world.ts';
import { createWorld } from './world.ts';

export type Values = Record<string, string | true>;

export interface StackWorld extends TestWorld {
  own: Issuer;
  body: string;
  create(values?: Values, change?: Partial<cfnApi.CreateStackCommandInput>): Promise<cfnApi.CreateStackCommandOutput>;
  update(values?: Values, change?: Partial<cfnApi.UpdateStackCommandInput>): Promise<cfnApi.UpdateStackCommandOutput>;
  stack(name?: string): Promise<cfnApi.Stack | undefined>;
  events(): Promise<string[]>;
}

export function parameters(values: Values): cfnApi.Parameter[] {
  const all: Values = { IssuerId: 'is_abc', ConnectionId: 'cn_abc', ...values };
  return Object.entries(all).map(([ParameterKey, value]) =>
    value === true ? { ParameterKey, UsePreviousValue: true } : { ParameterKey, ParameterValue: value },
  );
}

export async function stackWorld(t: Test): Promise<StackWorld> {
  const world = await createWorld(t);
  const own = await startIssuer('/c/is_abc');
  t.teardown(own.close);
  const { cfn } = world;
  const body = template(own);
  const common = { StackName: 'cs', Capabilities: ['CAPABILITY_NAMED_IAM'] as cfnApi.Capability[] };
  return {
    ...world,
    own,
    body,
    create: (values = {}, change = {}) =>
      cfn.send(
        new cfnApi.CreateStackCommand({ ...common, TemplateBody: body, Parameters: parameters(values), ...change }),
      ),
    update: (values = {}, change = {}) =>
      cfn.send(
        new cfnApi.UpdateStackCommand({ ...common, TemplateBody: body, Parameters: parameters(values), ...change }),
      ),
    stack: async (name = 'cs') => (await cfn.send(new cfnApi.DescribeStacksCommand({ StackName: name }))).Stacks?.[0],
    events: async () => {
      const { StackEvents = [] } = await cfn.send(new cfnApi.DescribeStackEventsCommand({ StackName: 'cs' }));
      return StackEvents.map((one) => `${one.LogicalResourceId} ${one.ResourceStatus}`).reverse();
    },
  };
}

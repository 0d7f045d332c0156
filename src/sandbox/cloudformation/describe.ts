// The reading operations of CloudFormation.
import { authorize } from '../policy/authorize.ts';
import type { Operation } from '../service.ts';
import { validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import { optionalText, requiredText, texts } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import type { Actor } from '../world.ts';
import { readTemplate } from './desired.ts';
import { findStack, requireStack } from './find.ts';
import { isNoEcho } from './parameters.ts';
import { neededCapability } from './resource-types.ts';
import { showEvent, showResource, showStack, showSummary } from './show.ts';
import type { Stack } from './stack.ts';
import type { Template } from './template.ts';
import { optionalTextOf } from './text-of.ts';

const nameOf = (form: Form): string => requiredText(form, 'StackName');

function capabilities(template: Template): Record<string, Xml> {
  const { capability, types } = neededCapability(template);
  if (capability === undefined) return {};
  return {
    Capabilities: [capability],
    CapabilitiesReason: `The following resource(s) require capabilities: [${types.join(', ')}]`,
  };
}

function ofRegion(actor: Actor): Stack[] {
  return [...actor.account.stacks.values()].filter(({ region }) => region === actor.region).reverse();
}

export const describeOperations: Record<string, Operation> = {
  DescribeStacks: (actor, form) => {
    const name = optionalText(form, 'StackName');
    if (name !== undefined) return { Stacks: [showStack(requireStack(actor, name, 'cloudformation:DescribeStacks'))] };
    authorize(actor, 'cloudformation:DescribeStacks', '*');
    return {
      Stacks: ofRegion(actor)
        .filter(({ deletedAt }) => deletedAt === undefined)
        .map(showStack),
    };
  },
  ListStacks: (actor, form) => {
    authorize(actor, 'cloudformation:ListStacks', '*');
    const wanted = texts(form, 'StackStatusFilter');
    const stacks = ofRegion(actor).filter(({ status }) => wanted.length === 0 || wanted.includes(status));
    return { StackSummaries: stacks.map(showSummary) };
  },
  DescribeStackEvents: (actor, form) => {
    const name = nameOf(form);
    const stack = requireStack(actor, name, 'cloudformation:DescribeStackEvents', `Stack [${name}] does not exist`);
    return { StackEvents: stack.events.toReversed().map((event) => showEvent(stack, event)) };
  },
  DescribeStackResources: (actor, form) => {
    const stack = requireStack(actor, nameOf(form), 'cloudformation:DescribeStackResources');
    const only = optionalText(form, 'LogicalResourceId');
    const resources = [...stack.resources.values()].filter(({ logicalId }) => only === undefined || logicalId === only);
    return { StackResources: resources.map((resource) => showResource(stack, resource)) };
  },
  DescribeStackResource: (actor, form) => {
    const stack = requireStack(actor, nameOf(form), 'cloudformation:DescribeStackResource');
    const logicalId = requiredText(form, 'LogicalResourceId');
    const resource = stack.resources.get(logicalId);
    if (!resource) throw validationError(`Resource ${logicalId} does not exist for stack ${stack.name}`);
    return { StackResourceDetail: showResource(stack, resource) };
  },
  ListStackResources: (actor, form) => {
    const stack = requireStack(actor, nameOf(form), 'cloudformation:ListStackResources');
    return { StackResourceSummaries: [...stack.resources.values()].map((resource) => showResource(stack, resource)) };
  },
  GetTemplate: (actor, form) => {
    const stack = requireStack(actor, nameOf(form), 'cloudformation:GetTemplate');
    return { TemplateBody: stack.template.text, StagesAvailable: ['Original', 'Processed'] };
  },
  ValidateTemplate: async (actor, form) => {
    authorize(actor, 'cloudformation:ValidateTemplate', '*');
    const template = await readTemplate(form, undefined);
    const parameters = Object.entries(template.parameters).map(([key, one]) => ({
      ParameterKey: key,
      DefaultValue: optionalTextOf(one['Default']),
      NoEcho: isNoEcho(one),
      Description: optionalTextOf(one['Description']),
    }));
    return { Parameters: parameters, Description: template.description, ...capabilities(template) };
  },
  GetTemplateSummary: async (actor, form) => {
    authorize(actor, 'cloudformation:GetTemplateSummary', '*');
    const name = optionalText(form, 'StackName');
    const template =
      name === undefined
        ? await readTemplate(form, undefined)
        : (findStack(actor, name)?.template ?? requireStack(actor, name, 'cloudformation:GetTemplateSummary').template);
    const parameters = Object.entries(template.parameters).map(([key, one]) => ({
      ParameterKey: key,
      ParameterType: String(one['Type']),
      NoEcho: isNoEcho(one),
      DefaultValue: optionalTextOf(one['Default']),
    }));
    const types = [...new Set(Object.values(template.resources).map(({ type }) => type))];
    return {
      Parameters: parameters,
      Description: template.description,
      ResourceTypes: types,
      ...capabilities(template),
    };
  },
};

// AWS::IAM::Role
import { attachRolePolicy, deleteRolePolicy, detachRolePolicy, putRolePolicy } from '../iam/policies.ts';
import { checkBoundary, createRole, deleteRole, requireRole, updateRole, updateTrust } from '../iam/roles.ts';
import type { Actor, Role } from '../world.ts';
import type { Made, ResourceType } from './resource-type.ts';
import {
  documentText,
  optionalInteger,
  optionalString,
  requiredString,
  strings,
  tagsOf,
  tolerateMissing,
} from './resource-type.ts';
import type { Properties } from './stack.ts';

function inlineOf(properties: Properties): Map<string, string> {
  const policies = (properties['Policies'] ?? []) as Properties[];
  return new Map(policies.map((one) => [requiredString(one, 'PolicyName'), documentText(one, 'PolicyDocument')]));
}

function made(role: Role): Made {
  return { physicalId: role.name, attributes: { Arn: role.arn, RoleId: role.roleId } };
}

function changePolicies(actor: Actor, name: string, before: Properties, after: Properties): void {
  const [oldArns, arns] = [strings(before, 'ManagedPolicyArns'), strings(after, 'ManagedPolicyArns')];
  for (const arn of oldArns) if (!arns.includes(arn)) tolerateMissing(() => detachRolePolicy(actor, name, arn));
  for (const arn of arns) if (!oldArns.includes(arn)) attachRolePolicy(actor, name, arn);
  const [oldInline, inline] = [inlineOf(before), inlineOf(after)];
  for (const policy of oldInline.keys())
    if (!inline.has(policy)) tolerateMissing(() => deleteRolePolicy(actor, name, policy));
  for (const [policy, text] of inline) if (oldInline.get(policy) !== text) putRolePolicy(actor, name, policy, text);
}

export const role: ResourceType = {
  properties: [
    'AssumeRolePolicyDocument',
    'Description',
    'ManagedPolicyArns',
    'MaxSessionDuration',
    'Path',
    'PermissionsBoundary',
    'Policies',
    'RoleName',
    'Tags',
  ],
  required: ['AssumeRolePolicyDocument'],
  immutable: ['RoleName', 'Path'],
  nameProperty: 'RoleName',
  needsCapability: true,
  create: (actor, properties, claim, generatedName) => {
    const created = createRole(actor, {
      name: optionalString(properties, 'RoleName') ?? generatedName,
      path: optionalString(properties, 'Path') ?? '/',
      trust: documentText(properties, 'AssumeRolePolicyDocument'),
      description: optionalString(properties, 'Description'),
      maxSessionDuration: optionalInteger(properties, 'MaxSessionDuration'),
      boundaryArn: optionalString(properties, 'PermissionsBoundary'),
      tags: tagsOf(properties),
    });
    claim(created.name);
    changePolicies(actor, created.name, {}, properties);
    return made(created);
  },
  update: (actor, name, before, after) => {
    updateTrust(actor, name, documentText(after, 'AssumeRolePolicyDocument'));
    updateRole(actor, name, {
      description: optionalString(after, 'Description') ?? '',
      maxSessionDuration: optionalInteger(after, 'MaxSessionDuration') ?? 3600,
    });
    changePolicies(actor, name, before, after);
    const changed = requireRole(actor, name, 'iam:TagRole');
    const boundary = optionalString(after, 'PermissionsBoundary');
    if (boundary !== undefined) checkBoundary(actor, boundary);
    changed.boundaryArn = boundary;
    changed.tags = tagsOf(after);
    return made(changed);
  },
  delete: (actor, name, properties) => {
    changePolicies(actor, name, properties, {});
    tolerateMissing(() => deleteRole(actor, name));
  },
};

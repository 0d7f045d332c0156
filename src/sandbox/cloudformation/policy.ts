// AWS::IAM::Policy (inline, put on roles) and AWS::IAM::ManagedPolicy
import {
  attachRolePolicy,
  createManagedPolicy,
  deleteManagedPolicy,
  deleteRolePolicy,
  detachRolePolicy,
  putRolePolicy,
  updateManagedPolicy,
} from '../iam/policies.ts';
import type { ResourceType } from './resource-type.ts';
import { documentText, optionalString, requiredString, strings, tolerateMissing } from './resource-type.ts';

export const inlinePolicy: ResourceType = {
  properties: ['PolicyName', 'PolicyDocument', 'Roles'],
  required: ['PolicyName', 'PolicyDocument', 'Roles'],
  immutable: [],
  needsCapability: true,
  create: (actor, properties, claim) => {
    const name = requiredString(properties, 'PolicyName');
    claim(name);
    for (const role of strings(properties, 'Roles'))
      putRolePolicy(actor, role, name, documentText(properties, 'PolicyDocument'));
    return { physicalId: name, attributes: { Id: name } };
  },
  update: (actor, name, before, after) => {
    const renamed = requiredString(after, 'PolicyName');
    const roles = strings(after, 'Roles');
    for (const role of roles) putRolePolicy(actor, role, renamed, documentText(after, 'PolicyDocument'));
    for (const role of strings(before, 'Roles')) {
      if (renamed !== name || !roles.includes(role)) tolerateMissing(() => deleteRolePolicy(actor, role, name));
    }
    return { physicalId: renamed, attributes: { Id: renamed } };
  },
  delete: (actor, name, properties) => {
    for (const role of strings(properties, 'Roles')) tolerateMissing(() => deleteRolePolicy(actor, role, name));
  },
};

export const managedPolicy: ResourceType = {
  properties: ['ManagedPolicyName', 'Description', 'Path', 'PolicyDocument', 'Roles'],
  required: ['PolicyDocument'],
  immutable: ['ManagedPolicyName', 'Description', 'Path'],
  nameProperty: 'ManagedPolicyName',
  needsCapability: true,
  create: (actor, properties, claim, generatedName) => {
    const { arn } = createManagedPolicy(actor, {
      name: optionalString(properties, 'ManagedPolicyName') ?? generatedName,
      path: optionalString(properties, 'Path') ?? '/',
      description: optionalString(properties, 'Description'),
      text: documentText(properties, 'PolicyDocument'),
    });
    claim(arn);
    for (const role of strings(properties, 'Roles')) attachRolePolicy(actor, role, arn);
    return { physicalId: arn, attributes: { PolicyArn: arn } };
  },
  update: (actor, arn, before, after) => {
    updateManagedPolicy(actor, arn, documentText(after, 'PolicyDocument'));
    const [old, roles] = [strings(before, 'Roles'), strings(after, 'Roles')];
    for (const role of roles) if (!old.includes(role)) attachRolePolicy(actor, role, arn);
    for (const role of old) if (!roles.includes(role)) tolerateMissing(() => detachRolePolicy(actor, role, arn));
    return { physicalId: arn, attributes: { PolicyArn: arn } };
  },
  delete: (actor, arn, properties) => {
    for (const role of strings(properties, 'Roles')) tolerateMissing(() => detachRolePolicy(actor, role, arn));
    tolerateMissing(() => deleteManagedPolicy(actor, arn));
  },
};

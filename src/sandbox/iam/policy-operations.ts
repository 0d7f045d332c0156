// Policies on the wire. A customer-managed policy has one version here: the default one, replaced in place.
import type { Operation } from '../service.ts';
import { authorize } from '../policy/authorize.ts';
import type { Form } from '../wire/form.ts';
import { optionalText, requiredText } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import { zulu } from '../wire/xml.ts';
import type { Actor, ManagedPolicy } from '../world.ts';
import {
  attachRolePolicy,
  createManagedPolicy,
  deleteManagedPolicy,
  deleteRolePolicy,
  detachRolePolicy,
  putRolePolicy,
  requireManagedPolicy,
  requireRolePolicy,
  rolesWith,
  updateManagedPolicy,
} from './policies.ts';
import { encodePolicy } from './role-operations.ts';
import { requireRole } from './roles.ts';

const roleOf = (form: Form): string => requiredText(form, 'RoleName');
const policyOf = (form: Form): string => requiredText(form, 'PolicyName');
const arnOf = (form: Form): string => requiredText(form, 'PolicyArn');

function renderPolicy(actor: Actor, policy: ManagedPolicy): Record<string, Xml> {
  return {
    PolicyName: policy.name,
    PolicyId: policy.policyId,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: 'v1',
    AttachmentCount: rolesWith(actor, policy.arn).length,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    Description: policy.description,
    CreateDate: zulu(policy.createdAt),
    UpdateDate: zulu(policy.updatedAt),
  };
}

function renderVersion(policy: ManagedPolicy): Xml {
  return {
    PolicyVersion: {
      Document: encodePolicy(policy.document.text),
      VersionId: 'v1',
      IsDefaultVersion: true,
      CreateDate: zulu(policy.updatedAt),
    },
  };
}

export const policyOperations: Record<string, Operation> = {
  PutRolePolicy: (actor, form) =>
    putRolePolicy(actor, roleOf(form), policyOf(form), requiredText(form, 'PolicyDocument')) as undefined,
  GetRolePolicy: (actor, form) => {
    const document = requireRolePolicy(actor, roleOf(form), policyOf(form), 'iam:GetRolePolicy');
    return { RoleName: roleOf(form), PolicyName: policyOf(form), PolicyDocument: encodePolicy(document.text) };
  },
  ListRolePolicies: (actor, form) => {
    const role = requireRole(actor, roleOf(form), 'iam:ListRolePolicies');
    return { PolicyNames: [...role.inline.keys()], IsTruncated: false };
  },
  DeleteRolePolicy: (actor, form) => deleteRolePolicy(actor, roleOf(form), policyOf(form)) as undefined,
  AttachRolePolicy: (actor, form) => attachRolePolicy(actor, roleOf(form), arnOf(form)) as undefined,
  DetachRolePolicy: (actor, form) => detachRolePolicy(actor, roleOf(form), arnOf(form)) as undefined,
  ListAttachedRolePolicies: (actor, form) => {
    const role = requireRole(actor, roleOf(form), 'iam:ListAttachedRolePolicies');
    const attached = [...role.attached].map((arn) => ({ PolicyName: arn.split('/').at(-1), PolicyArn: arn }));
    return { AttachedPolicies: attached, IsTruncated: false };
  },
  CreatePolicy: (actor, form) => {
    const policy = createManagedPolicy(actor, {
      name: policyOf(form),
      path: optionalText(form, 'Path') ?? '/',
      description: optionalText(form, 'Description'),
      text: requiredText(form, 'PolicyDocument'),
    });
    return { Policy: renderPolicy(actor, policy) };
  },
  GetPolicy: (actor, form) => ({
    Policy: renderPolicy(actor, requireManagedPolicy(actor, arnOf(form), 'iam:GetPolicy')),
  }),
  GetPolicyVersion: (actor, form) => renderVersion(requireManagedPolicy(actor, arnOf(form), 'iam:GetPolicyVersion')),
  CreatePolicyVersion: (actor, form) =>
    renderVersion(updateManagedPolicy(actor, arnOf(form), requiredText(form, 'PolicyDocument'))),
  DeletePolicy: (actor, form) => deleteManagedPolicy(actor, arnOf(form)) as undefined,
  ListPolicies: (actor) => {
    authorize(actor, 'iam:ListPolicies', '*');
    const policies = [...actor.account.policies.values()].map((policy) => renderPolicy(actor, policy));
    return { Policies: policies, IsTruncated: false };
  },
};

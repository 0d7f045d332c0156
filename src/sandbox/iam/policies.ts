// What roles may do: inline policies, customer-managed ones, and which are attached to whom.
import { authorize, findManagedPolicy } from '../policy/authorize.ts';
import { findAwsManagedPolicy } from '../policy/managed.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { parsePolicy, policySize } from '../policy/document.ts';
import { alreadyExists, AwsError, limitExceeded, malformedPolicy, noSuchEntity } from '../wire/error.ts';
import { checkLength } from '../wire/form.ts';
import type { Actor, ManagedPolicy, Role } from '../world.ts';
import { createAwsId } from '../world.ts';
import { checkName, checkPartition, checkPath, iamArn } from './names.ts';
import { requireRole } from './roles.ts';

const MAX_INLINE_SIZE = 10240;
const MAX_MANAGED_SIZE = 6144;
const MAX_ATTACHED = 10;

/** What IAM is given as an identity policy: of its own partition's resources alone. @throws AwsError MalformedPolicyDocument */
function parseIdentityPolicy({ partition: own }: Actor, text: string): PolicyDocument {
  const document = parsePolicy(text, 'identity');
  for (const resource of document.statements.flatMap(({ resources }) => resources ?? [])) {
    const [, partition = own] = resource.split(':');
    if (partition !== own && partition !== '*')
      throw malformedPolicy(`Partition "${partition}" is not valid for resource "${resource}".`);
  }
  return document;
}

/** The quota is of all inline policies of a role together. */
export function putRolePolicy(actor: Actor, roleName: string, policyName: string, text: string): void {
  const role = requireRole(actor, roleName, 'iam:PutRolePolicy');
  checkName('PolicyName', policyName, 128);
  const document = parseIdentityPolicy(actor, text);
  const others = [...role.inline].filter(([name]) => name !== policyName).map(([, one]) => policySize(one.text));
  if (others.reduce((sum, size) => sum + size, policySize(text)) > MAX_INLINE_SIZE) {
    throw limitExceeded(`Maximum policy size of ${MAX_INLINE_SIZE} bytes exceeded for role ${role.name}`);
  }
  role.inline.set(policyName, document);
}

export function requireRolePolicy(actor: Actor, roleName: string, policyName: string, action: string): PolicyDocument {
  const role = requireRole(actor, roleName, action);
  const document = role.inline.get(policyName);
  if (!document) throw noSuchEntity(`The role policy with name ${policyName} cannot be found.`);
  return document;
}

export function deleteRolePolicy(actor: Actor, roleName: string, policyName: string): void {
  requireRolePolicy(actor, roleName, policyName, 'iam:DeleteRolePolicy');
  actor.account.roles.get(roleName.toLowerCase())?.inline.delete(policyName);
}

export function attachRolePolicy(actor: Actor, roleName: string, policyArn: string): void {
  const role = requireRole(actor, roleName, 'iam:AttachRolePolicy');
  checkLength('PolicyArn', policyArn, 20, 2048);
  checkPartition(actor, policyArn);
  if (!findManagedPolicy(actor.account, policyArn)) {
    throw noSuchEntity(`Policy ${policyArn} does not exist or is not attachable.`);
  }
  if (!role.attached.has(policyArn) && role.attached.size >= MAX_ATTACHED) {
    throw limitExceeded(`Cannot exceed quota for PoliciesPerRole: ${MAX_ATTACHED}`);
  }
  role.attached.add(policyArn);
}

export function detachRolePolicy(actor: Actor, roleName: string, policyArn: string): void {
  const role = requireRole(actor, roleName, 'iam:DetachRolePolicy');
  if (!role.attached.delete(policyArn)) throw noSuchEntity(`Policy ${policyArn} was not found.`);
}

export interface ManagedPolicyInput {
  name: string;
  path: string;
  description: string | undefined;
  text: string;
}

function parseManaged(actor: Actor, text: string): PolicyDocument {
  const document = parseIdentityPolicy(actor, text);
  if (policySize(text) > MAX_MANAGED_SIZE)
    throw limitExceeded(`Cannot exceed quota for PolicySize: ${MAX_MANAGED_SIZE}`);
  return document;
}

export function createManagedPolicy(actor: Actor, input: ManagedPolicyInput): ManagedPolicy {
  checkName('PolicyName', input.name, 128);
  checkPath(input.path);
  const arn = iamArn(actor, `policy${input.path}${input.name}`);
  authorize(actor, 'iam:CreatePolicy', arn, `policy ${input.name}`);
  const document = parseManaged(actor, input.text);
  const taken = actor.account.policies.values().some(({ name }) => name.toLowerCase() === input.name.toLowerCase());
  if (taken) throw alreadyExists(`A policy called ${input.name} already exists. Duplicate names are not allowed.`);
  const now = actor.world.now();
  const policy: ManagedPolicy = {
    arn,
    document,
    name: input.name,
    path: input.path,
    description: input.description,
    policyId: createAwsId('ANPA', 21),
    createdAt: now,
    updatedAt: now,
  };
  actor.account.policies.set(arn, policy);
  return policy;
}

/** Customer-managed policies of this account, and the AWS-managed ones that the sandbox knows. */
export function requireManagedPolicy(actor: Actor, arn: string, action: string): ManagedPolicy {
  checkLength('PolicyArn', arn, 20, 2048);
  checkPartition(actor, arn);
  authorize(actor, action, arn, `policy ${arn}`);
  const own = actor.account.policies.get(arn);
  if (own) return own;
  const aws = findAwsManagedPolicy(arn);
  if (!aws) throw noSuchEntity(`Policy ${arn} was not found.`);
  return { arn, ...aws, policyId: 'ANPAIWMBCKSKIEE64ZLYK', description: undefined, createdAt: 0, updatedAt: 0 };
}

export function updateManagedPolicy(actor: Actor, arn: string, text: string): ManagedPolicy {
  const policy = requireManagedPolicy(actor, arn, 'iam:CreatePolicyVersion');
  policy.document = parseManaged(actor, text);
  policy.updatedAt = actor.world.now();
  return policy;
}

export function rolesWith(actor: Actor, policyArn: string): Role[] {
  return [...actor.account.roles.values()].filter((role) => role.attached.has(policyArn));
}

export function deleteManagedPolicy(actor: Actor, arn: string): void {
  requireManagedPolicy(actor, arn, 'iam:DeletePolicy');
  if (rolesWith(actor, arn).length > 0) {
    throw new AwsError('DeleteConflict', 'Cannot delete a policy attached to entities.', 409);
  }
  actor.account.policies.delete(arn);
}

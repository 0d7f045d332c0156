// Roles: their trust policy, session duration and unique id.
import { authorize } from '../policy/authorize.ts';
import { findManagedPolicy } from '../policy/authorize.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { parsePolicy, policySize } from '../policy/document.ts';
import { alreadyExists, AwsError, limitExceeded, noSuchEntity } from '../wire/error.ts';
import { checkLength, constraintError } from '../wire/form.ts';
import type { Actor, Role, Tag } from '../world.ts';
import { createAwsId } from '../world.ts';
import { checkName, checkPartition, checkPath, checkTags, iamArn } from './names.ts';

export interface RoleInput {
  name: string;
  path: string;
  trust: string;
  description: string | undefined;
  maxSessionDuration: number | undefined;
  boundaryArn: string | undefined;
  tags: Tag[];
}

const MAX_TRUST_SIZE = 2048;
const MAX_ROLE_NAME = 64;

/** @throws AwsError MalformedPolicyDocument, LimitExceeded */
export function parseTrust(text: string): PolicyDocument {
  const trust = parsePolicy(text, 'trust');
  if (policySize(text) > MAX_TRUST_SIZE)
    throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${MAX_TRUST_SIZE}`);
  return trust;
}

/** Seconds, one hour to twelve. */
export function checkMaxSessionDuration(seconds: number): void {
  if (!Number.isSafeInteger(seconds) || seconds < 3600) {
    throw constraintError(
      'MaxSessionDuration',
      String(seconds),
      'Member must have value greater than or equal to 3600',
    );
  }
  if (seconds > 43200) {
    throw constraintError('MaxSessionDuration', String(seconds), 'Member must have value less than or equal to 43200');
  }
}

export function checkBoundary(actor: Actor, arn: string): void {
  checkPartition(actor, arn);
  if (!findManagedPolicy(actor.account, arn)) {
    throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`);
  }
}

/** @throws AwsError ValidationError, MalformedPolicyDocument, EntityAlreadyExists, LimitExceeded, AccessDenied */
export function createRole(actor: Actor, input: RoleInput): Role {
  checkName('RoleName', input.name, MAX_ROLE_NAME);
  checkPath(input.path);
  checkTags(input.tags);
  if (input.description !== undefined) checkLength('Description', input.description, 0, 1000);
  const maxSessionDuration = input.maxSessionDuration ?? 3600;
  checkMaxSessionDuration(maxSessionDuration);
  const arn = iamArn(actor, `role${input.path}${input.name}`);
  authorize(actor, 'iam:CreateRole', arn);
  const trust = parseTrust(input.trust);
  if (input.boundaryArn !== undefined) checkBoundary(actor, input.boundaryArn);
  const key = input.name.toLowerCase();
  if (actor.account.roles.has(key)) throw alreadyExists(`Role with name ${input.name} already exists.`);
  const role: Role = {
    name: input.name,
    path: input.path,
    arn,
    trust,
    maxSessionDuration,
    roleId: createAwsId('AROA', 21),
    description: input.description,
    boundaryArn: input.boundaryArn,
    tags: input.tags,
    inline: new Map(),
    attached: new Set(),
    createdAt: actor.world.now(),
  };
  actor.account.roles.set(key, role);
  return role;
}

/** @param action what the caller wants with it, e.g. `iam:GetRole` */
export function requireRole(actor: Actor, name: string, action: string): Role {
  checkName('RoleName', name, MAX_ROLE_NAME);
  const role = actor.account.roles.get(name.toLowerCase());
  authorize(actor, action, role?.arn ?? iamArn(actor, `role/${name}`), `role ${name}`);
  if (!role) throw noSuchEntity(`The role with name ${name} cannot be found.`);
  return role;
}

export function updateTrust(actor: Actor, name: string, text: string): void {
  const role = requireRole(actor, name, 'iam:UpdateAssumeRolePolicy');
  role.trust = parseTrust(text);
}

/** Members left undefined stay as they are. */
export function updateRole(
  actor: Actor,
  name: string,
  changes: { description?: string | undefined; maxSessionDuration?: number | undefined },
): void {
  const role = requireRole(actor, name, 'iam:UpdateRole');
  if (changes.description !== undefined) checkLength('Description', changes.description, 0, 1000);
  if (changes.maxSessionDuration !== undefined) checkMaxSessionDuration(changes.maxSessionDuration);
  role.description = changes.description ?? role.description;
  role.maxSessionDuration = changes.maxSessionDuration ?? role.maxSessionDuration;
}

/** @throws AwsError DeleteConflict while policies are attached */
export function deleteRole(actor: Actor, name: string): void {
  const role = requireRole(actor, name, 'iam:DeleteRole');
  if (role.attached.size > 0) {
    throw new AwsError('DeleteConflict', 'Cannot delete entity, must detach all policies first.', 409);
  }
  if (role.inline.size > 0)
    throw new AwsError('DeleteConflict', 'Cannot delete entity, must delete policies first.', 409);
  actor.account.roles.delete(role.name.toLowerCase());
}

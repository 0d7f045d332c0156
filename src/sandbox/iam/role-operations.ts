// Roles on the wire.
import type { Operation } from '../service.ts';
import { authorize } from '../policy/authorize.ts';
import type { Form } from '../wire/form.ts';
import { optionalInteger, optionalText, requiredText, tagsOf, texts } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import { zulu } from '../wire/xml.ts';
import type { Role } from '../world.ts';
import { checkTags, iamArn, mergeTags, renderTags } from './names.ts';
import { checkBoundary, createRole, deleteRole, requireRole, updateRole, updateTrust } from './roles.ts';

/** IAM answers policies percent-encoded, as RFC 3986 has it. */
export function encodePolicy(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function renderRole(role: Role): Record<string, Xml> {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.roleId,
    Arn: role.arn,
    CreateDate: zulu(role.createdAt),
    AssumeRolePolicyDocument: encodePolicy(role.trust.text),
    Description: role.description,
    MaxSessionDuration: role.maxSessionDuration,
  };
}

function renderWhole(role: Role): Record<string, Xml> {
  const boundary = role.boundaryArn && {
    PermissionsBoundaryType: 'Policy',
    PermissionsBoundaryArn: role.boundaryArn,
  };
  return { ...renderRole(role), PermissionsBoundary: boundary || undefined, Tags: renderTags(role.tags) };
}

const nameOf = (form: Form): string => requiredText(form, 'RoleName');

export const roleOperations: Record<string, Operation> = {
  CreateRole: (actor, form) => {
    const role = createRole(actor, {
      name: nameOf(form),
      path: optionalText(form, 'Path') ?? '/',
      trust: requiredText(form, 'AssumeRolePolicyDocument'),
      description: optionalText(form, 'Description'),
      maxSessionDuration: optionalInteger(form, 'MaxSessionDuration', 3600, 43200),
      boundaryArn: optionalText(form, 'PermissionsBoundary'),
      tags: tagsOf(form),
    });
    return { Role: renderWhole(role) };
  },
  GetRole: (actor, form) => {
    const role = requireRole(actor, nameOf(form), 'iam:GetRole');
    return { Role: { ...renderWhole(role), RoleLastUsed: {} } };
  },
  ListRoles: (actor, form) => {
    const prefix = optionalText(form, 'PathPrefix') ?? '/';
    authorize(actor, 'iam:ListRoles', iamArn(actor, `role${prefix}`));
    const roles = [...actor.account.roles.values()].filter(({ path }) => path.startsWith(prefix));
    return { Roles: roles.map(renderRole), IsTruncated: false };
  },
  UpdateRole: (actor, form) => {
    updateRole(actor, nameOf(form), {
      description: optionalText(form, 'Description'),
      maxSessionDuration: optionalInteger(form, 'MaxSessionDuration', 3600, 43200),
    });
    return {};
  },
  UpdateAssumeRolePolicy: (actor, form) =>
    updateTrust(actor, nameOf(form), requiredText(form, 'PolicyDocument')) as undefined,
  DeleteRole: (actor, form) => deleteRole(actor, nameOf(form)) as undefined,
  TagRole: (actor, form) => {
    const role = requireRole(actor, nameOf(form), 'iam:TagRole');
    const tags = mergeTags(role.tags, tagsOf(form));
    checkTags(tags);
    role.tags = tags;
    return undefined;
  },
  UntagRole: (actor, form) => {
    const role = requireRole(actor, nameOf(form), 'iam:UntagRole');
    const keys = new Set(texts(form, 'TagKeys').map((key) => key.toLowerCase()));
    role.tags = role.tags.filter(({ key }) => !keys.has(key.toLowerCase()));
    return undefined;
  },
  ListRoleTags: (actor, form) => {
    const role = requireRole(actor, nameOf(form), 'iam:ListRoleTags');
    return { Tags: renderTags(role.tags), IsTruncated: false };
  },
  PutRolePermissionsBoundary: (actor, form) => {
    const role = requireRole(actor, nameOf(form), 'iam:PutRolePermissionsBoundary');
    const arn = requiredText(form, 'PermissionsBoundary');
    checkBoundary(actor, arn);
    role.boundaryArn = arn;
    return undefined;
  },
  DeleteRolePermissionsBoundary: (actor, form) => {
    requireRole(actor, nameOf(form), 'iam:DeleteRolePermissionsBoundary').boundaryArn = undefined;
    return undefined;
  },
};

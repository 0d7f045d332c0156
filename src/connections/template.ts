// The CloudFormation template that a customer creates one stack of: parameterised for everybody, or with one connection's values.
import { stringify } from 'yaml';
import { providerName, trustActions } from '../clouds/aws-hints.ts';
import { issuerUrlOf } from '../issuers/documents.ts';
import type { Addition, PermissionSet, PolicyDocument } from './permission-sets.ts';
import { additionPolicy, ADDITION_NAMES, ADDITIONS, corePolicy, MANAGED_POLICIES } from './permission-sets.ts';
import { CONDITIONS, PARAMETERS } from './template-parameters.ts';

export const AUDIENCE = 'sts.amazonaws.com';

/** IAM refuses a role's MaxSessionDuration below this. */
export const SHORTEST_ROLE_SESSION = 3600;

type Value = string | number | { [name: string]: unknown };

export interface Template {
  AWSTemplateFormatVersion: '2010-09-09';
  Description: string;
  Parameters?: Record<string, object>;
  Conditions?: Record<string, object>;
  Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
  Outputs: Record<string, { Description: string; Value: Value }>;
}

/** What a baked template says of its connection. */
export interface TemplateValues {
  issuer: string;
  subject: string;
  roleName: string;
  permissionSet: PermissionSet;
  additions: readonly Addition[];
  customPolicy: object | null;
  maxSessionSeconds: number;
  sessionTags: boolean;
  sourceIdentity: boolean;
}

/** What the two forms fill in differently. */
interface Parts {
  issuerUrl: Value;
  roleName: Value;
  maxSessionDuration: Value;
  trust: Value;
  managedPolicyArns: Value | Value[];
  policies: (object | undefined)[];
  parameters?: Pick<Template, 'Parameters' | 'Conditions'>;
}

interface Trust {
  provider: Value;
  /** Of the connection issuer, without the scheme: the condition keys begin with it. */
  name: string;
  subject: string;
  actions: unknown;
}

/** Both conditions, and nobody else: the provider by itself would let in every token of the issuer. */
function buildTrust({ provider, name, subject, actions }: Trust): PolicyDocument {
  const Condition = { StringEquals: { [`${name}:aud`]: AUDIENCE, [`${name}:sub`]: subject } };
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Federated: provider }, Action: actions, Condition }],
  };
}

function managedPolicyArn(name: string): Value {
  return { 'Fn::Sub': `arn:\${AWS::Partition}:iam::aws:policy/${name}` };
}

function assemble(issuerUrl: string, parts: Parts): Template {
  const policies = parts.policies.filter((policy) => policy !== undefined);
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `Lets ${issuerUrl} assume one role in this account, without any key: an OIDC provider and the role that trusts it.`,
    ...parts.parameters,
    Resources: {
      Provider: {
        Type: 'AWS::IAM::OIDCProvider',
        Properties: { Url: parts.issuerUrl, ClientIdList: [AUDIENCE] },
      },
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: {
          RoleName: parts.roleName,
          Description: `Assumed by ${issuerUrl}; delete the stack to end it.`,
          MaxSessionDuration: parts.maxSessionDuration,
          AssumeRolePolicyDocument: parts.trust,
          ...(Array.isArray(parts.managedPolicyArns) && parts.managedPolicyArns.length === 0
            ? {}
            : { ManagedPolicyArns: parts.managedPolicyArns }),
          ...(policies.length === 0 ? {} : { Policies: policies }),
        },
      },
    },
    Outputs: {
      AccountId: { Description: 'The account that is connected', Value: { Ref: 'AWS::AccountId' } },
      RoleArn: { Description: 'The role', Value: { 'Fn::GetAtt': ['Role', 'Arn'] } },
      ProviderArn: { Description: 'The OIDC provider', Value: { Ref: 'Provider' } },
      IssuerUrl: { Description: 'Who may assume the role', Value: parts.issuerUrl },
    },
  };
}

/** The template to publish once per deployment: everything but the issuer's host is a parameter. */
export function buildTemplate(issuerUrl: string): Template {
  const url = issuerUrlOf(issuerUrl, '${IssuerId}');
  const trust = buildTrust({
    provider: '${Provider}',
    name: providerName(url),
    subject: '${ConnectionId}',
    actions: ['sts:AssumeRoleWithWebIdentity', '${Further}'],
  });
  // Condition keys hold the issuer's path, and keys cannot be intrinsics: the document is a string.
  const text = JSON.stringify(trust).replace(',"${Further}"', '${Tags}${Identity}');
  const optional = (condition: string, value: unknown, otherwise: unknown = { Ref: 'AWS::NoValue' }) => ({
    'Fn::If': [condition, value, otherwise],
  });
  return assemble(issuerUrl, {
    issuerUrl: { 'Fn::Sub': url },
    roleName: { Ref: 'RoleName' },
    maxSessionDuration: { Ref: 'MaxSessionDuration' },
    trust: {
      'Fn::Sub': [
        text,
        {
          Tags: optional('WithSessionTags', ',"sts:TagSession"', ''),
          Identity: optional('WithSourceIdentity', ',"sts:SetSourceIdentity"', ''),
        },
      ],
    },
    managedPolicyArns: optional('Administrator', [managedPolicyArn(MANAGED_POLICIES.administrator)], {
      'Fn::If': ['ReadOnly', [managedPolicyArn(MANAGED_POLICIES['read-only'])], { Ref: 'AWS::NoValue' }],
    }),
    policies: [
      optional('Core', { PolicyName: 'Core', PolicyDocument: corePolicy() }),
      ...ADDITIONS.map((addition) =>
        optional(`With${ADDITION_NAMES[addition]}`, {
          PolicyName: ADDITION_NAMES[addition],
          PolicyDocument: additionPolicy(addition),
        }),
      ),
    ],
    parameters: { Parameters: PARAMETERS, Conditions: CONDITIONS },
  });
}

/** One connection's template: nothing to fill in, and the one form that carries a custom policy. */
export function buildBakedTemplate(issuerUrl: string, values: TemplateValues): Template {
  const url = issuerUrlOf(issuerUrl, values.issuer);
  const { permissionSet } = values;
  const managed =
    permissionSet === 'administrator' || permissionSet === 'read-only' ? [MANAGED_POLICIES[permissionSet]] : [];
  const additions = permissionSet === 'core' ? values.additions : [];
  return assemble(issuerUrl, {
    issuerUrl: url,
    roleName: values.roleName,
    maxSessionDuration: roleSessionSeconds(values.maxSessionSeconds),
    trust: {
      ...buildTrust({
        provider: { Ref: 'Provider' },
        name: providerName(url),
        subject: values.subject,
        actions: trustActions(values),
      }),
    },
    managedPolicyArns: managed.map(managedPolicyArn),
    policies: [
      permissionSet === 'core' ? { PolicyName: 'Core', PolicyDocument: corePolicy() } : undefined,
      permissionSet === 'custom' ? { PolicyName: 'Custom', PolicyDocument: values.customPolicy } : undefined,
      ...additions.map((addition) => ({
        PolicyName: ADDITION_NAMES[addition],
        PolicyDocument: additionPolicy(addition),
      })),
    ],
  });
}

/** The role's own ceiling for sessions of at most this many seconds. */
export function roleSessionSeconds(maxSessionSeconds: number): number {
  return Math.max(SHORTEST_ROLE_SESSION, maxSessionSeconds);
}

/** CloudFormation reads YAML 1.1, without aliases; what is text is quoted, so that no reader takes it for a date or a number. */
export function writeTemplate(template: Template, format: 'yaml' | 'json'): string {
  if (format === 'json') return `${JSON.stringify(template, null, 2)}\n`;
  const quoting = { defaultStringType: 'QUOTE_SINGLE', defaultKeyType: 'PLAIN' } as const;
  return stringify(template, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0, ...quoting });
}

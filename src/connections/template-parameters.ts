// The parameters and conditions of the published template: what a quick-create link fills in, each as strict as its values are.
import { idPattern } from '../ids.ts';
import { ADDITION_NAMES, ADDITIONS } from './permission-sets.ts';

export const ROLE_NAME_PATTERN = '^[A-Za-z0-9+=,.@_-]{1,64}$';

const AS_SENT = 'Leave it as the link filled it in.';

function flag(description: string): object {
  return { Type: 'String', AllowedValues: ['true', 'false'], Default: 'false', Description: description };
}

const additions = Object.fromEntries(
  ADDITIONS.map((addition) => [
    ADDITION_NAMES[addition],
    flag(`Whether the core permission set also covers ${ADDITION_NAMES[addition]}.`),
  ]),
);

export const PARAMETERS: Record<string, object> = {
  IssuerId: {
    Type: 'String',
    AllowedPattern: idPattern('is'),
    ConstraintDescription: 'is_ and 26 characters of a-z and 2-7',
    Description: `The issuer made for this connection alone. ${AS_SENT}`,
  },
  ConnectionId: {
    Type: 'String',
    AllowedPattern: idPattern('cn'),
    ConstraintDescription: 'cn_ and 26 characters of a-z and 2-7',
    Description: `The subject of the tokens that may assume the role. ${AS_SENT}`,
  },
  RoleName: {
    Type: 'String',
    AllowedPattern: ROLE_NAME_PATTERN,
    Description: `The name of the role to create. ${AS_SENT}`,
  },
  PermissionSet: {
    Type: 'String',
    AllowedValues: ['administrator', 'core', 'read-only'],
    Description:
      'What the role may do: everything; EC2, VPC, EKS, IAM, STS, KMS and SSM (who may write IAM can give more); or read.',
  },
  ...additions,
  MaxSessionDuration: {
    Type: 'Number',
    Default: 3600,
    MinValue: 3600,
    MaxValue: 43200,
    Description: 'The longest session, in seconds.',
  },
  SessionTags: flag('Whether sessions may carry tags.'),
  SourceIdentity: flag('Whether sessions carry a source identity.'),
};

const equals = (parameter: string, value: string): object => ({ 'Fn::Equals': [{ Ref: parameter }, value] });

export const CONDITIONS: Record<string, object> = {
  Administrator: equals('PermissionSet', 'administrator'),
  Core: equals('PermissionSet', 'core'),
  ReadOnly: equals('PermissionSet', 'read-only'),
  ...Object.fromEntries(
    ADDITIONS.map((addition) => [
      `With${ADDITION_NAMES[addition]}`,
      { 'Fn::And': [{ Condition: 'Core' }, equals(ADDITION_NAMES[addition], 'true')] },
    ]),
  ),
  WithSessionTags: equals('SessionTags', 'true'),
  WithSourceIdentity: equals('SourceIdentity', 'true'),
};

// The grammar of a custom policy: an identity policy that goes into a template as it is, so nothing in it may mean more there.
import { type Static, Type } from 'typebox';
import type { Partition } from '../clouds/aws-regions.ts';
import { OPERATOR, repeatsSid, RESOURCE } from './policy-grammar.ts';

// IAM's policyDocumentType without line breaks: Latin-1.
const TEXT = '^[\\u0020-\\u007e\\u00a1-\\u00ff]*$';

const Some = (item: ReturnType<typeof Type.String>) =>
  Type.Union([item, Type.Array(item, { minItems: 1, maxItems: 200 })]);

const Action = Type.String({ pattern: '^(\\*|[A-Za-z0-9-]{1,64}:[A-Za-z0-9*?]{1,128})$' });
const Resource = Type.String({ maxLength: 2048, pattern: '^(\\*|arn:[!-~ ]+)$' });

// A member called Fn::… would be worked out by CloudFormation.
const CONDITION_KEY = '^(?!Fn::)[A-Za-z0-9._/-]{1,255}:[!-~ ]{1,255}$';

const Condition = Type.Record(
  Type.String({ pattern: OPERATOR.source }),
  Type.Record(
    Type.String({ pattern: CONDITION_KEY }),
    Type.Union([Some(Type.String({ maxLength: 2048, pattern: TEXT })), Type.Boolean(), Type.Number()]),
    { additionalProperties: false, minProperties: 1 },
  ),
  { additionalProperties: false },
);

const Statement = Type.Object(
  {
    Sid: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9]{1,128}$' })),
    Effect: Type.Enum(['Allow', 'Deny']),
    Action: Type.Optional(Some(Action)),
    NotAction: Type.Optional(Some(Action)),
    Resource: Type.Optional(Some(Resource)),
    NotResource: Type.Optional(Some(Resource)),
    Condition: Type.Optional(Condition),
  },
  { additionalProperties: false },
);

export const CustomPolicy = Type.Object(
  { Version: Type.Literal('2012-10-17'), Statement: Type.Array(Statement, { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false, description: 'An identity policy, at most 10 240 characters in compact JSON.' },
);
export type CustomPolicy = Static<typeof CustomPolicy>;

/** IAM's limit for a role's inline policies together. */
const LONGEST = 10_240;

/** A sentence that says what is wrong, or undefined. A policy never changes: what IAM would refuse has to be found here. */
export function findPolicyFault(policy: CustomPolicy, partition: Partition): string | undefined {
  const text = JSON.stringify(policy);
  if (text.length > LONGEST) return `custom_policy is longer than ${LONGEST} characters, which is what IAM takes.`;
  // JSON itself has no such thing: it is in a string, or in a name.
  if (text.includes('{{'))
    return 'custom_policy has {{ in it, where CloudFormation begins to read a secret or a parameter of the account, which would stand in the policy in clear: write the value itself.';
  if (repeatsSid(policy.Statement)) return 'custom_policy has the same Sid twice.';
  for (const { Action: action, NotAction, Resource: resource, NotResource } of policy.Statement) {
    if ((action === undefined) === (NotAction === undefined))
      return 'Each statement of custom_policy needs either Action or NotAction.';
    if ((resource === undefined) === (NotResource === undefined))
      return 'Each statement of custom_policy needs either Resource or NotResource.';
    const fault = [resource ?? NotResource ?? []]
      .flat()
      .map((one) => findResourceFault(one, partition))
      .find(Boolean);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function findResourceFault(resource: string, partition: Partition): string | undefined {
  const found = RESOURCE.exec(resource);
  const shown = resource.slice(0, 128);
  if (!found) return `custom_policy has a resource that is neither "*" nor an ARN of six parts: ${shown}`;
  const [, , named = partition] = found;
  return named === partition || named === '*'
    ? undefined
    : `custom_policy has a resource that is not in the connection's partition, ${partition}: ${shown}`;
}

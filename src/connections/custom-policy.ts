// The grammar of a custom policy: an identity policy that goes into a template as it is, so nothing in it may mean more there.
import { type Static, Type } from 'typebox';

// IAM's policyDocumentType without line breaks: Latin-1.
const TEXT = '^[\\u0020-\\u007e\\u00a1-\\u00ff]*$';

const Some = (item: ReturnType<typeof Type.String>) =>
  Type.Union([item, Type.Array(item, { minItems: 1, maxItems: 200 })]);

const Action = Type.String({ pattern: '^(\\*|[A-Za-z0-9-]{1,64}:[A-Za-z0-9*?]{1,128})$' });
const Resource = Type.String({ maxLength: 2048, pattern: '^(\\*|arn:[!-~ ]+)$' });

const OPERATORS =
  '^(Null|(ForAnyValue:|ForAllValues:)?(String(Not)?(Equals|EqualsIgnoreCase|Like)|Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?)$';

// A member called Fn::… would be worked out by CloudFormation.
const CONDITION_KEY = '^(?!Fn::)[A-Za-z0-9._/-]{1,255}:[!-~ ]{1,255}$';

const Condition = Type.Record(
  Type.String({ pattern: OPERATORS }),
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

/** A sentence that says what is wrong, or undefined. */
export function findPolicyFault(policy: CustomPolicy): string | undefined {
  const text = JSON.stringify(policy);
  if (text.length > LONGEST) return `custom_policy is longer than ${LONGEST} characters, which is what IAM takes.`;
  // JSON itself has no such thing: it is in a string, or in a name.
  if (text.includes('{{'))
    return 'custom_policy has {{ in it, where CloudFormation begins to read a secret or a parameter of the account, which would stand in the policy in clear: write the value itself.';
  for (const { Action: action, NotAction, Resource: resource, NotResource } of policy.Statement) {
    if ((action === undefined) === (NotAction === undefined))
      return 'Each statement of custom_policy needs either Action or NotAction.';
    if ((resource === undefined) === (NotResource === undefined))
      return 'Each statement of custom_policy needs either Resource or NotResource.';
  }
  return undefined;
}

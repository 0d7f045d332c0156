// The shapes of /v1/grants.
import { type Static, Type } from 'typebox';
import { ClientReference, PRINTABLE, Timestamp } from '../clients/schema.ts';
import { PageQuery, pageOf } from '../http/paging.ts';
import { warningsAbout } from '../http/warnings.ts';
import { idPattern } from '../ids.ts';
import { SESSION_SECONDS } from './limits.ts';

export const PURPOSE = '^[a-z][a-z0-9-]{0,31}$';

export const Purpose = Type.String({
  pattern: PURPOSE,
  description: 'What the credentials are for; "default" unless named.',
});

/** A key as labels of connections have it, so that a slip of the pen is not a grant of nothing. */
const LABEL = `^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=${PRINTABLE.slice(1)}`;

const Selected = {
  connection: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'A connection, by id or reference.' }),
  ),
  label: Type.Optional(
    Type.String({ maxLength: 320, pattern: LABEL, description: 'Connections with this label, key=value.' }),
  ),
  tenant: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE, description: 'Connections of this tenant.' }),
  ),
  all: Type.Optional(Type.Literal(true, { description: 'Every connection.' })),
};

export const SelectorInput = Type.Object(Selected, { additionalProperties: false, minProperties: 1, maxProperties: 1 });

const MaxSessionSeconds = Type.Integer({ minimum: SESSION_SECONDS.minimum, maximum: SESSION_SECONDS.maximum });

/** Its grammar is checked in policy-document.ts, where a fault can be named. */
const SessionPolicy = Type.Record(Type.String(), Type.Unknown(), {
  description:
    'An IAM policy document without principals, in canonical JSON at most 2048 characters together with policy_arns.',
});

const PolicyArns = Type.Array(
  Type.String({
    maxLength: 2048,
    pattern: '^arn:(aws|aws-cn|aws-us-gov|aws-eusc):iam::(aws|\\d{12}):policy(/[!-.0-~]+)*/[A-Za-z0-9_+=,.@-]{1,128}$',
  }),
  { uniqueItems: true, maxItems: 10 },
);

const Tags = Type.Record(Type.String(), Type.String());

export const Grant = Type.Object(
  {
    id: Type.String({ pattern: idPattern('gr') }),
    workload: Type.String({ pattern: idPattern('wl') }),
    selector: SelectorInput,
    purpose: Purpose,
    max_session_seconds: MaxSessionSeconds,
    session_policy: Type.Union([SessionPolicy, Type.Null()]),
    policy_arns: PolicyArns,
    tags: Tags,
    version: Type.Integer(),
    created_at: Timestamp,
    updated_at: Timestamp,
    warnings: Type.Optional(
      warningsAbout('What AWS or its SDKs make little of in these limits; left out where there is nothing.'),
    ),
  },
  { additionalProperties: false },
);

export const NewGrant = Type.Object(
  {
    workload: ClientReference,
    selector: SelectorInput,
    purpose: Type.Optional(Purpose),
    max_session_seconds: Type.Optional(MaxSessionSeconds),
    session_policy: Type.Optional(SessionPolicy),
    policy_arns: Type.Optional(PolicyArns),
    tags: Type.Optional(Tags),
  },
  { additionalProperties: false },
);
export type NewGrant = Static<typeof NewGrant>;

/** What a grant is for, and to whom, does not change: that is another grant. */
export const GrantChange = Type.Object(
  {
    max_session_seconds: Type.Optional(MaxSessionSeconds),
    session_policy: Type.Optional(Type.Union([SessionPolicy, Type.Null()])),
    policy_arns: Type.Optional(PolicyArns),
    tags: Type.Optional(Tags),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const GrantParams = Type.Object(
  { grant: Type.String({ pattern: idPattern('gr') }) },
  { additionalProperties: false },
);
export const GrantQuery = Type.Object(
  { ...PageQuery, workload: Type.Optional(ClientReference) },
  { additionalProperties: false },
);
export const GrantPage = pageOf(Grant);

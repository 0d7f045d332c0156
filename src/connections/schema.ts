// The shapes of /v1/connections.
import { type Static, Type } from 'typebox';
import { PARTITIONS, REGIONS } from '../clouds/aws-regions.ts';
import { PRINTABLE, Timestamp } from '../clients/schema.ts';
import { PageQuery, pageOf } from '../http/paging.ts';
import { warningsAbout } from '../http/warnings.ts';
import { idPattern } from '../ids.ts';
import { CustomPolicy } from './custom-policy.ts';
import { STATES } from './lifecycle.ts';
import { ADDITIONS, PERMISSION_SETS } from './permission-sets.ts';
import { ROLE_NAME_PATTERN } from './template-parameters.ts';

const Nullable = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Union([schema, Type.Null()]);

const Name = Type.String({ minLength: 1, maxLength: 128, pattern: PRINTABLE });

/** Not an id, and not a path segment that URLs resolve away. */
const Reference = Type.String({
  pattern: '^(?!(?:cn|wl|ad|gr|is|iv|ex|rq|st)_)(?!\\.{1,2}$)[A-Za-z0-9._-]{1,64}$',
  description: "The platform's own name for it, unique in the service, usable in paths.",
});

const Tenant = Type.String({
  minLength: 1,
  maxLength: 256,
  pattern: PRINTABLE,
  description: 'Whose it is, opaque to the service.',
});

const LABEL_KEY = '^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$';

/** A key holds no `=`, so that `key=value` reads one way. */
const Labels = Type.Record(Type.String({ pattern: LABEL_KEY }), Type.String({ maxLength: 256, pattern: PRINTABLE }), {
  additionalProperties: false,
  maxProperties: 32,
});

const MaxSessionSeconds = Type.Integer({ minimum: 900, maximum: 43_200, description: 'The ceiling of every session.' });
const AccountId = Type.String({ pattern: '^\\d{12}$' });
const RoleName = Type.String({ pattern: ROLE_NAME_PATTERN });
const State = Type.Enum([...STATES]);
const Additions = Type.Array(Type.Enum([...ADDITIONS]), { uniqueItems: true, maxItems: ADDITIONS.length });

export const NewConnection = Type.Object(
  {
    name: Name,
    reference: Type.Optional(Reference),
    tenant: Type.Optional(Tenant),
    labels: Type.Optional(Labels),
    algorithm: Type.Optional(Type.Enum(['ES256', 'RS256'])),
    max_session_seconds: Type.Optional(MaxSessionSeconds),
    source_identity: Type.Optional(Type.Boolean()),
    session_tags: Type.Optional(Type.Boolean()),
    aws: Type.Object(
      {
        account_id: AccountId,
        partition: Type.Optional(Type.Enum([...PARTITIONS])),
        region: Type.Optional(Type.Enum([...REGIONS])),
        role_name: Type.Optional(RoleName),
        permission_set: Type.Enum([...PERMISSION_SETS]),
        additions: Type.Optional(Additions),
        custom_policy: Type.Optional(CustomPolicy),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type NewConnection = Static<typeof NewConnection>;

/** The account and the role do not change: that is another connection. */
export const ConnectionChange = Type.Object(
  {
    name: Type.Optional(Name),
    reference: Type.Optional(Nullable(Reference)),
    tenant: Type.Optional(Tenant),
    labels: Type.Optional(Labels),
    max_session_seconds: Type.Optional(MaxSessionSeconds),
    source_identity: Type.Optional(Type.Boolean()),
    session_tags: Type.Optional(Type.Boolean()),
    state: Type.Optional(
      Type.Enum(['paused', 'active'], { description: '"active" resumes, and accepts a role that was re-created.' }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type ConnectionChange = Static<typeof ConnectionChange>;

const Aws = Type.Object(
  {
    account_id: AccountId,
    partition: Type.Enum([...PARTITIONS]),
    region: Type.String(),
    role_name: Type.String(),
    role_arn: Type.String(),
    role_id: Nullable(Type.String({ description: "The role's unique id, pinned when STS first let us in." })),
    permission_set: Type.Enum([...PERMISSION_SETS]),
    additions: Type.Array(Type.Enum([...ADDITIONS])),
    custom_policy: Nullable(Type.Record(Type.String(), Type.Unknown())),
    verified_at: Nullable(Timestamp),
  },
  { additionalProperties: false },
);

const Verification = Type.Object(
  {
    started_at: Timestamp,
    attempts: Type.Integer(),
    next_at: Timestamp,
    last_code: Nullable(Type.String()),
    last_detail: Nullable(Type.String()),
  },
  { additionalProperties: false, description: 'While STS is being polled.' },
);

export const Connection = Type.Object(
  {
    id: Type.String({ pattern: idPattern('cn') }),
    reference: Nullable(Type.String()),
    name: Type.String(),
    tenant: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    state: State,
    state_reason: Type.String(),
    state_since: Timestamp,
    issuer: Type.Object({ id: Type.String(), url: Type.String() }, { additionalProperties: false }),
    subject: Type.String(),
    algorithm: Type.Enum(['ES256', 'RS256']),
    max_session_seconds: Type.Integer(),
    source_identity: Type.Boolean(),
    session_tags: Type.Boolean(),
    generation: Type.Integer(),
    aws: Aws,
    verification: Nullable(Verification),
    created_at: Timestamp,
    updated_at: Timestamp,
    warnings: Type.Optional(
      warningsAbout('What AWS or its SDKs make little of in its ceiling; left out where there is nothing.'),
    ),
  },
  { additionalProperties: false },
);
export type Connection = Static<typeof Connection>;

export const ConnectionParams = Type.Object(
  { connection: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'An id or a reference.' }) },
  { additionalProperties: false },
);

export const ConnectionQuery = Type.Object(
  {
    ...PageQuery,
    tenant: Type.Optional(Tenant),
    label: Type.Optional(
      Type.String({
        maxLength: 400,
        pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$',
        description: 'key=value',
      }),
    ),
    state: Type.Optional(State),
  },
  { additionalProperties: false },
);

export const WaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Enum(['active'], {
        description: 'Answer when it is active, or no longer on its way there, or at the timeout.',
      }),
    ),
    timeout_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 30, default: 20 })),
  },
  { additionalProperties: false },
);

export const TemplateQuery = Type.Object(
  { format: Type.Optional(Type.Enum(['yaml', 'json'])) },
  { additionalProperties: false },
);

export const Link = Type.Object(
  { url: Type.String(), stack_name: Type.String(), template_url: Type.String() },
  { additionalProperties: false },
);

export const ConnectionPage = pageOf(Connection);

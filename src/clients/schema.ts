// The shapes that workloads and administrators share on the wire, and the strings that people may give.
import { type Static, Type } from 'typebox';
import { SCOPES } from '../http/scopes.ts';

/** No control characters, and no lone surrogates: PostgreSQL and RFC 8785 have no form for them. */
export const PRINTABLE = '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$';

/** A name of a client. No id is one: ids have an underscore. */
export const SLUG = '^[a-z][a-z0-9-]{1,39}$';

export const Slug = Type.String({
  pattern: SLUG,
  description: 'Unique in the service, and for good.',
});

export const Description = Type.String({ maxLength: 500, pattern: PRINTABLE });

export const State = Type.Enum(['active', 'suspended']);

export const Scopes = Type.Array(Type.Enum([...SCOPES]), { uniqueItems: true, maxItems: SCOPES.length });

/** RFC 3339 in UTC, as answers carry it. */
export const Timestamp = Type.String({ format: 'date-time' });

/** An id or a slug, in a path or as a member. */
export const ClientReference = Type.String({ pattern: '^[a-z][a-z0-9_-]{1,63}$', description: 'An id or a slug.' });

/** Members that describe a key are taken and dropped; key_ops and ext are what WebCrypto exports. */
export const JwkInput = Type.Object(
  {
    kty: Type.Enum(['EC', 'RSA']),
    crv: Type.Optional(Type.Enum(['P-256'])),
    x: Type.Optional(Type.String({ maxLength: 64 })),
    y: Type.Optional(Type.String({ maxLength: 64 })),
    n: Type.Optional(Type.String({ maxLength: 1024 })),
    e: Type.Optional(Type.String({ maxLength: 16 })),
    kid: Type.Optional(Type.String({ maxLength: 256, pattern: PRINTABLE })),
    alg: Type.Optional(Type.Enum(['ES256', 'RS256'])),
    use: Type.Optional(Type.Enum(['sig'])),
    key_ops: Type.Optional(Type.Array(Type.Enum(['verify']), { maxItems: 1 })),
    ext: Type.Optional(Type.Boolean()),
  },
  {
    additionalProperties: false,
    description: 'A public JWK (RFC 7517): EC P-256 for ES256, or RSA of 2048 to 4096 bits for RS256.',
  },
);
export type JwkInput = Static<typeof JwkInput>;

export const Key = Type.Object(
  {
    kid: Type.String({ description: 'The RFC 7638 thumbprint, whatever was sent.' }),
    alg: Type.Enum(['ES256', 'RS256']),
    jwk: Type.Object(
      {
        kty: Type.Enum(['EC', 'RSA']),
        crv: Type.Optional(Type.Enum(['P-256'])),
        x: Type.Optional(Type.String()),
        y: Type.Optional(Type.String()),
        n: Type.Optional(Type.String()),
        e: Type.Optional(Type.String()),
      },
      { additionalProperties: false },
    ),
    created_at: Timestamp,
    expires_at: Type.Union([Timestamp, Type.Null()]),
  },
  { additionalProperties: false },
);

/** What a workload and an administrator have in common. */
export const clientMembers = {
  slug: Slug,
  description: Type.String(),
  state: State,
  scopes: Scopes,
  keys: Type.Array(Key),
  version: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
};

export const NewKey = Type.Object(
  {
    jwk: JwkInput,
    expires_at: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$',
        description: 'RFC 3339 in UTC, in the future; the key stops then. Never, unless given.',
      }),
    ),
  },
  { additionalProperties: false },
);

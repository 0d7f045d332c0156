// The shapes of /v1/trusted-issuers.
import { type Static, Type } from 'typebox';
import { Slug, State, Timestamp } from '../clients/schema.ts';
import { PageQuery, pageOf } from '../http/paging.ts';
import { warningsAbout } from '../http/warnings.ts';
import { idPattern } from '../ids.ts';
import { SIGNATURE_ALGORITHMS } from '../keys/algorithms.ts';
import { KINDS } from './kinds.ts';

export const TrustedIssuerReference = Type.String({
  pattern: '^[a-z][a-z0-9_-]{1,63}$',
  description: 'An id or a name.',
});

const Issuer = Type.String({
  maxLength: 512,
  pattern: '^(https?|spiffe)://[!-~]+$',
  description: 'The `iss` of its tokens, to the letter. Several may share one where the JWKS of each is pasted.',
});
const Audience = Type.String({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' });
const Algorithms = Type.Array(Type.Enum([...SIGNATURE_ALGORITHMS]), { uniqueItems: true, minItems: 1, maxItems: 9 });
const JwksUri = Type.String({ maxLength: 512, pattern: '^https?://[!-~]+$' });
const text = (maxLength: number) => Type.Optional(Type.String({ maxLength, pattern: '^[!-~]*$' }));

/** Members that say nothing of a key are taken and dropped. */
const Jwk = Type.Object(
  {
    kty: Type.Enum(['EC', 'RSA']),
    kid: Type.String({ minLength: 1, maxLength: 256, pattern: '^[!-~]+$' }),
    ...{ alg: text(16), use: text(16), crv: text(16), x: text(128), y: text(128), n: text(1500), e: text(16) },
    key_ops: Type.Optional(Type.Array(Type.Enum(['verify']), { maxItems: 1 })),
    x5t: text(128),
    'x5t#S256': text(128),
    x5c: Type.Optional(Type.Array(Type.String({ maxLength: 8192 }), { maxItems: 5 })),
  },
  { additionalProperties: false },
);
const Jwks = Type.Object(
  { keys: Type.Array(Jwk, { minItems: 1, maxItems: 20 }) },
  { additionalProperties: false, description: 'Its public keys, pasted: then nothing is fetched.' },
);

const OneTime = Type.Boolean({
  description: 'Whether each of its tokens may be shown once. Kinds that leave a token in a file can never be.',
});
const MaxTokenSeconds = Type.Integer({
  minimum: 60,
  maximum: 86_400,
  description: 'From a token’s iat to its exp at most.',
});
const ClientId = Type.String({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' });
const LoginScopes = Type.Array(Type.String({ pattern: '^[!#-\\[\\]-~]{1,100}$' }), { maxItems: 20 });
export const LoginMembers = { client_id: ClientId, scopes: LoginScopes };
const Login = Type.Object(LoginMembers, {
  additionalProperties: false,
  description: 'How people sign in there: the public client that is registered for the command, and what it asks for.',
});
const NewLogin = Type.Object(
  { client_id: ClientId, scopes: Type.Optional(LoginScopes) },
  {
    additionalProperties: false,
    description: 'Kind oidc alone, with keys that are fetched. openid is always asked for.',
  },
);

const orNull = <T extends ReturnType<typeof Type.String> | typeof Jwks | typeof Login | typeof NewLogin>(schema: T) =>
  Type.Union([schema, Type.Null()]);

export const Warnings = warningsAbout('What is allowed and asks for a second look; left out where there is nothing.');

export const TrustedIssuer = Type.Object(
  {
    id: Type.String({ pattern: idPattern('ti') }),
    name: Slug,
    kind: Type.Enum([...KINDS]),
    issuer: Issuer,
    audience: Type.String({ description: 'What its tokens must name at the token endpoint, alone.' }),
    algorithms: Algorithms,
    jwks_uri: orNull(JwksUri),
    pasted_kids: Type.Union([Type.Array(Type.String()), Type.Null()], {
      description: 'Of the keys that were pasted; null where they are fetched.',
    }),
    one_time: OneTime,
    max_token_seconds: MaxTokenSeconds,
    login: orNull(Login),
    state: State,
    claims: Type.Array(Type.String(), { description: 'Worth matching beside the subject, of this kind.' }),
    version: Type.Integer(),
    created_at: Timestamp,
    updated_at: Timestamp,
    warnings: Type.Optional(Warnings),
  },
  { additionalProperties: false },
);

const changeable = {
  audience: Type.Optional(orNull(Audience)),
  algorithms: Type.Optional(Algorithms),
  jwks_uri: Type.Optional(orNull(JwksUri)),
  jwks: Type.Optional(orNull(Jwks)),
  one_time: Type.Optional(OneTime),
  max_token_seconds: Type.Optional(MaxTokenSeconds),
  login: Type.Optional(orNull(NewLogin)),
};

export const NewTrustedIssuer = Type.Object(
  { name: Slug, kind: Type.Enum([...KINDS]), issuer: Issuer, ...changeable },
  { additionalProperties: false },
);
export type NewTrustedIssuer = Static<typeof NewTrustedIssuer>;

/** Which tokens are its tokens does not change: that is another issuer. */
export const TrustedIssuerChange = Type.Object(
  { ...changeable, state: Type.Optional(State) },
  { additionalProperties: false, minProperties: 1 },
);
export type TrustedIssuerChange = Static<typeof TrustedIssuerChange>;

export const TrustedIssuerKeys = Type.Object(
  {
    kids: Type.Array(Type.String()),
    age_seconds: Type.Optional(Type.Integer({ description: 'Since the last good fetch of this replica.' })),
    failure: Type.Optional(Type.String({ description: 'Why the last fetch failed.' })),
  },
  { additionalProperties: false },
);

export const TrustedIssuerParams = Type.Object(
  { trusted_issuer: TrustedIssuerReference },
  { additionalProperties: false },
);
export const TrustedIssuerQuery = Type.Object(PageQuery, { additionalProperties: false });
export const TrustedIssuerPage = pageOf(TrustedIssuer);

// The shapes of /v1/workloads/{workload}/identities and /v1/administrators/{administrator}/identities.
import { type Static, Type } from 'typebox';
import { ClientReference, PRINTABLE, Timestamp } from '../clients/schema.ts';
import { idPattern } from '../ids.ts';
import { TrustedIssuerReference, Warnings } from '../trusted-issuers/schema.ts';

const Subject = Type.String({
  minLength: 1,
  maxLength: 512,
  pattern: PRINTABLE,
  description: "The token's `sub`, exactly; with allow_wildcard everything up to a `*` behind its last colon or slash.",
});

const Claims = Type.Record(
  Type.String({ pattern: '^[!-~]{1,200}$' }),
  Type.Union([
    Type.String({ minLength: 1, maxLength: 500, pattern: PRINTABLE }),
    Type.Boolean(),
    Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  ]),
  {
    ...{ additionalProperties: false, maxProperties: 10 },
    description:
      'Claims that the token must carry with exactly this value, by name; one within an object by JSON Pointer, e.g. `/kubernetes.io/serviceaccount/uid`.',
  },
);

const ReportOnly = Type.Boolean({ description: 'Lets nobody in: what it would match is on record.' });

const Person = Type.Boolean({
  description:
    "Proved by an ID token of a person's sign-in, and by nothing else; otherwise by a platform's token alone.",
});

const members = {
  trusted_issuer: Type.String({ pattern: idPattern('ti') }),
  subject: Type.String(),
  claims: Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean(), Type.Number()])),
  person: Person,
  report_only: ReportOnly,
  wildcard_reason: Type.Union([Type.String(), Type.Null()]),
  version: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
  warnings: Type.Optional(Warnings),
};

const IdentityId = Type.String({ pattern: '^[wp]i_[a-z2-7]{26}$' });

export const Identity = Type.Object(
  { id: IdentityId, workload: Type.String({ pattern: idPattern('wl') }), ...members },
  { additionalProperties: false },
);

export const AdministratorIdentity = Type.Object(
  {
    id: Type.String({ pattern: idPattern('pi') }),
    administrator: Type.String({ pattern: idPattern('ad') }),
    ...members,
  },
  { additionalProperties: false },
);

const given = { trusted_issuer: TrustedIssuerReference, subject: Subject, claims: Type.Optional(Claims) };

export const NewIdentity = Type.Object(
  {
    ...given,
    person: Type.Optional(Person),
    report_only: Type.Optional(ReportOnly),
    allow_wildcard: Type.Optional(Type.Boolean({ description: 'With a reason, which is kept.' })),
  },
  { additionalProperties: false },
);
export type NewIdentity = Static<typeof NewIdentity>;

/** Of a person, always. */
export const NewAdministratorIdentity = Type.Object(
  { ...given, report_only: Type.Optional(ReportOnly) },
  { additionalProperties: false },
);

/** Whose identity it is, and which, does not change: that is another identity. */
export const IdentityChange = Type.Object({ report_only: ReportOnly }, { additionalProperties: false });

export const paramsOf = (noun: string) => Type.Object({ [noun]: ClientReference }, { additionalProperties: false });
export const identityParamsOf = (noun: string) =>
  Type.Object({ [noun]: ClientReference, identity: IdentityId }, { additionalProperties: false });
export const listOf = (identity: typeof Identity | typeof AdministratorIdentity) =>
  Type.Object({ items: Type.Array(identity) }, { additionalProperties: false });

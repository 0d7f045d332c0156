// The shapes of /v1/workloads/{workload}/identities.
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
    maxProperties: 10,
    description:
      'Claims that the token must carry with exactly this value, by name; one within an object by JSON Pointer, e.g. `/kubernetes.io/serviceaccount/uid`.',
  },
);

const ReportOnly = Type.Boolean({ description: 'Lets nobody in: what it would match is on record.' });

export const Identity = Type.Object(
  {
    id: Type.String({ pattern: idPattern('wi') }),
    workload: Type.String({ pattern: idPattern('wl') }),
    trusted_issuer: Type.String({ pattern: idPattern('ti') }),
    subject: Type.String(),
    claims: Type.Record(Type.String(), Type.Union([Type.String(), Type.Boolean(), Type.Number()])),
    report_only: ReportOnly,
    wildcard_reason: Type.Union([Type.String(), Type.Null()]),
    version: Type.Integer(),
    created_at: Timestamp,
    updated_at: Timestamp,
    warnings: Type.Optional(Warnings),
  },
  { additionalProperties: false },
);

export const NewIdentity = Type.Object(
  {
    trusted_issuer: TrustedIssuerReference,
    subject: Subject,
    claims: Type.Optional(Claims),
    report_only: Type.Optional(ReportOnly),
    allow_wildcard: Type.Optional(Type.Boolean({ description: 'With a reason, which is kept.' })),
  },
  { additionalProperties: false },
);
export type NewIdentity = Static<typeof NewIdentity>;

/** Whose identity it is, and which, does not change: that is another identity. */
export const IdentityChange = Type.Object({ report_only: ReportOnly }, { additionalProperties: false });

export const WorkloadParams = Type.Object({ workload: ClientReference }, { additionalProperties: false });
export const IdentityParams = Type.Object(
  { workload: ClientReference, identity: Type.String({ pattern: idPattern('wi') }) },
  { additionalProperties: false },
);
export const Identities = Type.Object({ items: Type.Array(Identity) }, { additionalProperties: false });

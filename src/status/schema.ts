// The shape of what the service says of itself.
import { Type } from 'typebox';
import { SealState } from '../seal/schema.ts';
import { ADVICE, type FindingCode } from '../reach/findings.ts';

const FindingCodeSchema = Type.Enum(Object.keys(ADVICE) as FindingCode[]);

export const DocumentsStatus = Type.Object(
  {
    checked_at: Type.String({ format: 'date-time' }),
    reached: Type.Boolean({ description: 'whether a cloud can use them' }),
    took_ms: Type.Integer(),
    certificate_expires_at: Type.Optional(Type.String({ format: 'date-time' })),
    findings: Type.Array(
      Type.Object({
        code: FindingCodeSchema,
        severity: Type.Enum(['error', 'warning']),
        url: Type.String(),
        detail: Type.String(),
        hint: Type.String(),
      }),
    ),
  },
  {
    description:
      'Discovery and JWKS of the platform, read through ISSUER_URL each minute; left out before the first look',
  },
);

export const ServiceStatus = Type.Object({
  issuer_url: Type.String(),
  ...SealState.properties,
  documents: Type.Optional(DocumentsStatus),
});

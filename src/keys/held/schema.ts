// The shapes of the API of signers.
import { Type } from 'typebox';

const Signer = Type.Enum(['local', 'aws_kms'], { description: 'in the database, or in AWS KMS' });
const Algorithm = Type.Enum(['ES256', 'RS256'], { description: "the issuer's only ring unless given" });

export const SignerQuery = Type.Object({ algorithm: Type.Optional(Algorithm) }, { additionalProperties: false });

export const SignerBody = Type.Object(
  {
    signer: Signer,
    region: Type.Optional(Type.String({ maxLength: 32, description: 'of AWS; with aws_kms' })),
    algorithm: Type.Optional(Algorithm),
  },
  { additionalProperties: false },
);

export const RingSigner = Type.Object({
  ring: Type.String(),
  signer: Signer,
  region: Type.Optional(Type.String()),
  keys: Type.Array(
    Type.Object({
      kid: Type.String(),
      signer: Signer,
      name: Type.Optional(Type.String({ description: 'in the system that holds it, e.g. an ARN' })),
    }),
    { description: 'where each private half is that there still is, oldest first' },
  ),
});

export const SignerChange = Type.Object({
  ...RingSigner.properties,
  changed: Type.Boolean({ description: 'False where it was so already; then nothing was changed.' }),
});

// AWS KMS as a holder: its keys sign digests, and never leave it.
import { createHash, createPublicKey } from 'node:crypto';
import type { AwsKms } from '../../clouds/aws-kms.ts';
import { KmsError } from '../../clouds/aws-kms-errors.ts';
import type { Algorithm } from '../algorithms.ts';
import { readDerSignature } from './der.ts';
import type { Holder } from './holder.ts';

const SPEC = { ES256: 'ECC_NIST_P256', RS256: 'RSA_2048' } as const;
const SIGNING = { ES256: 'ECDSA_SHA_256', RS256: 'RSASSA_PKCS1_V1_5_SHA_256' } as const;
/** The least that AWS takes: nobody comes back for a key whose time is over. */
const WAITING_DAYS = 7;

export function createKmsHolder(kms: AwsKms, issuerUrl: string): Holder {
  return {
    create: ({ region, algorithm, ring }) =>
      kms.createSigningKey({
        ...{ region, spec: SPEC[algorithm], description: `Countersign: a signing key of ${ring} of ${issuerUrl}` },
        tags: { 'countersign:ring': ring, 'countersign:issuer': issuerUrl },
      }),

    publicKey: async (name) => createPublicKey({ key: await kms.getPublicKey(name), format: 'der', type: 'spki' }),

    sign: async (name, algorithm: Algorithm, data) => {
      const digest = createHash('sha256').update(data).digest();
      const signature = await kms.sign(name, SIGNING[algorithm], digest);
      return algorithm === 'ES256' ? readDerSignature(signature) : signature;
    },

    destroy: async (name) => {
      try {
        await kms.scheduleDeletion(name, WAITING_DAYS);
      } catch (error) {
        // Scheduled before, or gone.
        if (error instanceof KmsError && ['KMSInvalidState', 'NotFound'].includes(error.awsCode)) return;
        throw error;
      }
    },
  };
}

// A key-encryption key in AWS KMS: data keys are wrapped there, and the place of each is its encryption context.
import type { AwsKms } from '../../clouds/aws-kms.ts';
import { KmsError } from '../../clouds/aws-kms-errors.ts';
import { StartError, unavailable } from '../../errors.ts';
import type { Kek } from '../encrypt.ts';

/** Its ARN names it: it is what the rows say, and what a person looks for who has lost the configuration. */
export function createKmsKek(kms: AwsKms, arn: string): Kek {
  const name = (error: unknown): never => {
    throw unavailable(`The key-encryption key in AWS KMS does not do it: ${(error as Error).message}`, error);
  };
  return {
    ...{ id: arn, source: 'AWS KMS' },
    wrap: (dataKey, { names }) => kms.encrypt(arn, dataKey, names).catch(name),
    unwrap: (wrapped, { names }) => kms.decrypt(arn, wrapped, names).catch(name),
  };
}

const PERMISSIONS = 'kms:DescribeKey, kms:Encrypt and kms:Decrypt';

function refused(arn: string, error: KmsError): StartError {
  const { awsCode, message } = error;
  if (awsCode === 'NotFound')
    return new StartError(
      'kek_missing',
      `There is no KMS key ${arn}: ${message}`,
      'Look for it in the region and account of the ARN. A key that was deleted opens nothing any more; see docs/backup.md.',
    );
  if (error.side === 'ours')
    return new StartError(
      'kek_refused',
      `AWS KMS refuses the key-encryption key ${arn}: ${message}`,
      `Let the role of this process use ${PERMISSIONS} with it, in the key's policy or its own.`,
    );
  return new StartError(
    'kek_unreachable',
    `AWS KMS does not answer for the key-encryption key ${arn}: ${message}`,
    'Check the way to the KMS endpoint of that region; starting again is safe.',
  );
}

/**
 * The KEK, once it was seen to be of the right kind, and to wrap and open.
 * @throws StartError `kek_missing`, `kek_unfit`, `kek_refused`, `kek_unreachable`
 */
export async function openKmsKek(kms: AwsKms, arn: string): Promise<Kek> {
  try {
    const { usage, spec, state } = await kms.describeKey(arn);
    if (usage !== 'ENCRYPT_DECRYPT' || spec !== 'SYMMETRIC_DEFAULT')
      throw new StartError(
        'kek_unfit',
        `The KMS key ${arn} is of the kind ${spec} for ${usage}.`,
        'A key-encryption key is symmetric: aws kms create-key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT).',
      );
    if (state !== 'Enabled')
      throw new StartError(
        'kek_unfit',
        `The KMS key ${arn} is ${state}.`,
        state === 'PendingDeletion'
          ? 'aws kms cancel-key-deletion and enable-key, at once: what it has wrapped is lost with it.'
          : 'aws kms enable-key.',
      );
    const context = { purpose: 'probe' };
    const wrapped = await kms.encrypt(arn, Buffer.from('probe'), context);
    await kms.decrypt(arn, wrapped, context);
  } catch (error) {
    if (error instanceof KmsError) throw refused(arn, error);
    throw error;
  }
  return createKmsKek(kms, arn);
}

// Errors of AWS KMS sorted by who can mend them, and stripped of everything that was sent.
import { type StsSide, toStsError } from './aws-errors.ts';

/** Ours to mend, by the key, its policy or our credentials; or time alone; or fewer calls. */
export type KmsSide = 'ours' | 'transient' | 'throttled';

/** What an AWS call failed with. It has no `cause`: the SDK's errors carry the request, and with it a key in clear. */
export class KmsError extends Error {
  readonly side: KmsSide;
  /** AWS's code without the suffix `Exception`, e.g. `AccessDenied`; `Unreachable`, `Timeout`, `NoCredentials`, `Unreadable`. */
  readonly awsCode: string;

  constructor(side: KmsSide, awsCode: string, awsMessage: string) {
    super(`${awsCode}: ${awsMessage}`);
    this.name = 'KmsError';
    this.side = side;
    this.awsCode = awsCode;
  }
}

const TRANSIENT = new Set(['KMSInternal', 'DependencyTimeout', 'KeyUnavailable']);

const SIDES: Record<StsSide, KmsSide> = {
  ...{ ours: 'ours', account_owner: 'ours', caller: 'ours', transient: 'transient', throttled: 'throttled' },
};

/** Any value thrown by the SDK as a KmsError. */
export function toKmsError(error: unknown): KmsError {
  if (error instanceof KmsError) return error;
  if ((error as Error | undefined)?.name === 'CredentialsProviderError')
    return new KmsError(
      'ours',
      'NoCredentials',
      'no credentials of AWS were found: an instance role, a profile, AWS_….',
    );
  const { side, awsCode, awsMessage } = toStsError(error);
  const sorted = TRANSIENT.has(awsCode) ? 'transient' : SIDES[side];
  return new KmsError(sorted, awsCode, awsMessage.replaceAll('AWS STS', 'AWS KMS'));
}

export function unreadable(): KmsError {
  return new KmsError('transient', 'Unreadable', 'AWS KMS answered without what it promises.');
}

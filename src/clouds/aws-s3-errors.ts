// Errors of S3 by name: what is wrong with the bucket, and what to do.

/** Stable; what a person or a script goes by. */
export type BucketFault =
  | 'bucket_missing'
  | 'bucket_refused'
  | 'bucket_elsewhere'
  | 'bucket_acl_refused'
  | 'bucket_busy'
  | 'bucket_unreachable'
  | 'bucket_failed'
  | 'credentials_missing'
  | 'credentials_refused'
  | 'region_missing';

export class BucketError extends Error {
  readonly code: BucketFault;
  readonly hint: string;

  constructor(code: BucketFault, detail: string, hint: string) {
    super(detail);
    this.name = 'BucketError';
    this.code = code;
    this.hint = hint;
  }
}

/** Something else stands there than what was to be replaced: nothing was written. */
export class BucketConflict extends Error {
  override name = 'BucketConflict';
}

interface SdkError {
  name?: string;
  code?: string;
  message?: string;
  $metadata?: { httpStatusCode?: number | undefined };
}

const BUSY = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'ServiceUnavailable']);
const CREDENTIALS = /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired)/;
const NETWORK = /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|CERT_|ERR_TLS|DEPTH_ZERO|UNABLE_TO)/;

/** @param what was tried, for a person: `write to s3://bucket` */
export function toBucketError(error: unknown, bucket: string, what: string): BucketError | BucketConflict {
  const { name = '', code = '', message = '', $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  const failed = (fault: BucketFault, detail: string, hint: string) => new BucketError(fault, detail, hint);
  const at = `s3://${bucket}`;
  if (status === 412 || name === 'PreconditionFailed' || name === 'ConditionalRequestConflict')
    return new BucketConflict(`something else stands there (${name})`);
  // A conditional write over an object that is gone.
  if (name === 'NoSuchKey') return new BucketConflict('what was to be replaced is gone');
  if (name === 'NoSuchBucket')
    return failed('bucket_missing', `There is no bucket ${bucket}.`, 'Make it, or mend --to.');
  if (
    status === 301 ||
    status === 307 ||
    name === 'PermanentRedirect' ||
    name === 'AuthorizationHeaderMalformed' ||
    name === 'IllegalLocationConstraintException'
  )
    return failed(
      'bucket_elsewhere',
      `The bucket ${bucket} is in another region.`,
      'Set AWS_REGION to the region of the bucket.',
    );
  if (name === 'AccessControlListNotSupported')
    return failed(
      'bucket_acl_refused',
      `${at} refuses an access control list.`,
      'None is sent: look at what stands between here and S3.',
    );
  if (CREDENTIALS.test(name))
    return failed(
      'credentials_refused',
      `AWS does not take these credentials (${name}).`,
      'Look at their age and at the clock of this host.',
    );
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return failed(
      'credentials_missing',
      'There are no AWS credentials here.',
      'Give this process a role, a profile (AWS_PROFILE), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    );
  if (/region is missing/i.test(message))
    return failed('region_missing', 'The region of the bucket is not known.', 'Set AWS_REGION.');
  if (BUSY.has(name) || status === 503 || status === 429)
    return failed(
      'bucket_busy',
      `${at} asks for fewer requests.`,
      'Run it again: what is in place is not written again.',
    );
  if (status === 403)
    return failed(
      'bucket_refused',
      `AWS does not let these credentials ${what}.`,
      'They need s3:PutObject and s3:GetObject on its objects and s3:ListBucket on the bucket; look at its policy and its key too.',
    );
  if (status === 404) return failed('bucket_missing', `There is no bucket ${bucket}.`, 'Make it, or mend --to.');
  if (name === 'TimeoutError' || name === 'AbortError' || NETWORK.test(code) || NETWORK.test(name))
    return failed(
      'bucket_unreachable',
      `${at} does not answer (${code || name}).`,
      'Look at the way from this host to S3.',
    );
  return failed(
    'bucket_failed',
    `S3 answered ${status ?? 'nothing'} (${name.slice(0, 100)}).`,
    'Run it again; --verbose shows more.',
  );
}

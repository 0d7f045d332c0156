// An error as AWS answers it: a code, an HTTP status and a message that the caller may read.

export class AwsError extends Error {
  readonly code: string;
  readonly status: number;

  /** @param status HTTP status; AWS's query services answer 400 unless said otherwise. */
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = 'AwsError';
    this.code = code;
    this.status = status;
  }
}

export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

export function accessDenied(message: string): AwsError {
  return new AwsError('AccessDenied', message, 403);
}

export function invalidIdentityToken(message: string): AwsError {
  return new AwsError('InvalidIdentityToken', message);
}

export function malformedPolicy(message: string): AwsError {
  return new AwsError('MalformedPolicyDocument', message);
}

export function noSuchEntity(message: string): AwsError {
  return new AwsError('NoSuchEntity', message, 404);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceeded', message, 409);
}

export function alreadyExists(message: string): AwsError {
  return new AwsError('EntityAlreadyExists', message, 409);
}

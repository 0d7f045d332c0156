// Errors of AWS STS sorted by who can mend them, and stripped of everything that was sent.

/** Who can mend it: we or our operators, the owner of the account, who asked us, time alone, or fewer calls. */
export type StsSide = 'ours' | 'account_owner' | 'caller' | 'transient' | 'throttled';

export interface StsFailure {
  side: StsSide;
  /** AWS's code without the suffix `Exception`, e.g. `AccessDenied`; `Unreachable` or `Timeout` when AWS did not answer. */
  awsCode: string;
  /** AWS's own sentence, at most 512 characters, without tokens. */
  awsMessage: string;
  requestId?: string | undefined;
}

/** What an AWS call failed with. It has no `cause`: the SDK's errors carry the request, and with it the token. */
export class StsError extends Error implements StsFailure {
  readonly side: StsSide;
  readonly awsCode: string;
  readonly awsMessage: string;
  readonly requestId: string | undefined;

  constructor(failure: StsFailure) {
    super(`${failure.awsCode}: ${failure.awsMessage}`);
    this.name = 'StsError';
    this.side = failure.side;
    this.awsCode = failure.awsCode;
    this.awsMessage = failure.awsMessage;
    this.requestId = failure.requestId;
  }
}

const TRANSIENT = new Set([
  'IDPCommunicationError',
  'InternalFailure',
  'InternalError',
  'InternalServerError',
  'ServiceUnavailable',
  'ServiceFailure',
  'RequestTimeout',
  'Timeout',
  'Unreachable',
]);

const THROTTLED = new Set([
  'Throttling',
  'Throttled',
  'ThrottledException',
  'RequestThrottled',
  'TooManyRequests',
  'RequestLimitExceeded',
  'BandwidthLimitExceeded',
  'LimitExceeded',
  'SlowDown',
  'PriorRequestNotComplete',
]);

const ACCOUNT_OWNER = new Set(['AccessDenied', 'RegionDisabled']);

/** What is wrong with the account's provider rather than with the token (the other InvalidIdentityToken are ours). */
const PROVIDER_FAULT =
  /No OpenIDConnect provider|Incorrect token audience|configured thumbprint|issuer.*(not|isn't).*(found|match)/i;

/** Of an answer that is larger than any of AWS's: the name of what is thrown while it is read, and the code of its StsError. */
export const TOO_LARGE = 'AnswerTooLarge';

const NETWORK =
  /^(E[A-Z_]+|UND_ERR.*|CERT_.*|DEPTH_ZERO.*|SELF_SIGNED.*|UNABLE_TO.*|ERR_(TLS|SSL|SOCKET|STREAM|HTTP).*)$/;

const NO_CODE = new Set(['Unknown', 'UnknownError', 'Error', 'SyntaxError', TOO_LARGE]);

/** Sorts one of AWS's answers. */
export function sideOf(awsCode: string, awsMessage: string, status: number | undefined): StsSide {
  if (THROTTLED.has(awsCode) || status === 429) return 'throttled';
  if (awsCode === 'InvalidIdentityToken') {
    if (/Couldn.?t retrieve verification key/i.test(awsMessage)) return 'transient';
    return PROVIDER_FAULT.test(awsMessage) ? 'account_owner' : 'ours';
  }
  if (awsCode === 'ValidationError' && /MaxSessionDuration/.test(awsMessage)) return 'account_owner';
  if (TRANSIENT.has(awsCode)) return 'transient';
  if (ACCOUNT_OWNER.has(awsCode)) return 'account_owner';
  return status !== undefined && status >= 500 ? 'transient' : 'ours';
}

const POLICY_CODES = new Set(['PackedPolicyTooLarge', 'MalformedPolicyDocument']);

/** The same, where a session policy of the caller's own was sent along: what AWS finds wrong with policies is the caller's. */
export function ofCallersPolicy(failure: StsError): StsError {
  return POLICY_CODES.has(failure.awsCode) ? new StsError({ ...failure, side: 'caller' }) : failure;
}

/** AWS echoes parameters that it finds invalid; the token is one. What is cut is still text that a record can hold. */
function withoutSecrets(text: string): string {
  return text
    .replace(/eyJ[\w-]*(\.[\w-]*)*/g, '[token]')
    .replace(/[\w+/=-]{100,}/g, '[long value]')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .slice(0, 512)
    .toWellFormed();
}

interface SdkError {
  name?: unknown;
  code?: unknown;
  message?: unknown;
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

/** Any value thrown by the SDK as a StsError. */
export function toStsError(error: unknown): StsError {
  // Made anew: the SDK hangs the whole response on whatever passes through it.
  if (error instanceof StsError) return new StsError(error);
  const { name, code, message, $metadata } = (typeof error === 'object' && error !== null ? error : {}) as SdkError;
  const requestId = $metadata?.requestId;
  const status = $metadata?.httpStatusCode;
  // The SDK calls a reset connection a timeout as well; the code of the socket tells.
  if (status === undefined && typeof code === 'string' && NETWORK.test(code) && code !== 'ETIMEDOUT') {
    return new StsError({
      side: 'transient',
      awsCode: 'Unreachable',
      awsMessage: `AWS STS could not be reached (${code}).`,
    });
  }
  if (name === 'AbortError' || name === 'TimeoutError' || code === 'ETIMEDOUT') {
    return new StsError({ side: 'transient', awsCode: 'Timeout', awsMessage: 'AWS STS did not answer in time.' });
  }
  if (status === undefined) {
    // Not an answer: our own mistake, whose text might quote what was sent.
    return new StsError({ side: 'ours', awsCode: 'NotSent', awsMessage: 'The call to AWS STS could not be made.' });
  }
  const awsCode = (typeof name === 'string' ? name : 'Unknown').replace(/Exception$/, '');
  if (awsCode === TOO_LARGE && status < 300) {
    // Like every answer that does not fit, it says something about the connection.
    const side = 'account_owner';
    return new StsError({ side, awsCode, awsMessage: 'AWS STS answered more than anybody reads.', requestId });
  }
  // An answer that is not AWS's own (a proxy's page, a cut body) is parsed into no code, or into the parser's error.
  if (NO_CODE.has(awsCode)) {
    const side = status === 429 ? 'throttled' : 'transient';
    return new StsError({
      side,
      awsCode: 'Unreadable',
      awsMessage: `AWS STS answered ${status} without a code.`,
      requestId,
    });
  }
  const awsMessage = withoutSecrets(typeof message === 'string' ? message : '');
  return new StsError({ side: sideOf(awsCode, awsMessage, status), awsCode, awsMessage, requestId });
}

// Session credentials asked of the service, as whoever this command is: with a token of its own for each request.
import type { AskService, Credentials, Wanted } from '../agent/sessions.ts';
import { Refusal } from '../agent/refusal.ts';
import { obtainAccess } from './access.ts';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { Failure, toFailure, usage } from './failure.ts';
import { given } from './options.ts';
import { endOf } from './shown-token.ts';
import { sourceOf } from './source.ts';

/** A caller's own Deny statements go with it where one process asks for itself. */
export interface Asked extends Wanted {
  sessionPolicy?: unknown;
}

/** @throws Failure (usage) where whoever this is gets no credentials; nothing is asked. */
export function assertWorkload({ outside, options }: Call<unknown>): void {
  if (sourceOf(outside.env, options).kind === 'socket')
    throw usage(
      'The host gets tokens for the API alone: credentials are for workloads that have a grant.',
      'Set COUNTERSIGN_URL, COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE to be a workload, or sign in: countersign login.',
    );
}

/** @throws Failure */
export async function askForCredentials(call: Call<unknown>, asked: Asked): Promise<Credentials> {
  const { connection, purpose, durationSeconds, sessionPolicy } = asked;
  const access = await obtainAccess(call.outside, call.options, { for: 'credentials', connection });
  const body = given({ purpose, duration_seconds: durationSeconds, session_policy: sessionPolicy });
  const path = `/v1/connections/${segment(connection)}/credentials`;
  const credentials = await call.apiWith(access).send('POST', path, body);
  if (areCredentials(credentials)) return credentials;
  throw new Failure('unexpected_answer', 'The answer is a success, and holds no session credentials.', {
    ...{ status: 200, hint: 'Is COUNTERSIGN_URL the internal URL of the service, and nothing else in front of it?' },
  });
}

/** Whatever is handed on was looked at here: as it came from the service, or from this machine's disk. */
export function areCredentials(value: unknown): value is Credentials {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = (value ?? {}) as Partial<
    Record<keyof Credentials, unknown>
  >;
  return (
    [AccessKeyId, SecretAccessKey, Token].every((member) => typeof member === 'string' && member !== '') &&
    typeof Expiration === 'string' &&
    /^\d{4}-\d\d-\d\dT/.test(Expiration) &&
    Number.isFinite(Date.parse(Expiration))
  );
}

/** What a proxy on the way answers while the service is away decides nothing: it is as if nobody had answered. */
export function toRefusal(error: unknown): Refusal {
  const { code, message, hint, requestId, stsRequestId, retryAfter, ...answered } = toFailure(error);
  const status = code === 'unexpected_answer' ? undefined : answered.status;
  return new Refusal(code, message, { hint, status, requestId, stsRequestId, retryAfter, cause: error });
}

export function toFailureAgain(refusal: Refusal): Failure {
  return refusal.cause instanceof Failure
    ? refusal.cause
    : new Failure(refusal.code, refusal.message, { hint: refusal.options.hint, requestId: refusal.options.requestId });
}

/** The service's words of a platform's token that is over, and not of whose it is: the error of OAuth is the same for both. */
const OVER = ['it has expired', 'it was used before, and may be shown once'].map(
  (why) => `the subject token was refused: ${why}`,
);

/** A token that has ended decides nothing of who is granted what: whoever gave it did not give another, or not yet. */
function findEndedToken({ outside, options }: Call<unknown>, failure: Failure): Refusal | undefined {
  const { status, message, requestId } = failure;
  if (status !== 401 && !OVER.includes(message)) return undefined;
  const source = sourceOf(outside.env, options);
  const over = (name: string): Refusal =>
    new Refusal('token_over', `${name} has ended, and is not renewed.`, {
      ...{ hint: 'Start it with who it is (countersign --help), or with another token.', requestId },
    });
  if (source.kind === 'token') {
    const end = endOf(source.token) ?? Number.POSITIVE_INFINITY;
    return status === 401 && end <= outside.now() ? over('COUNTERSIGN_TOKEN') : undefined;
  }
  if (source.kind !== 'platform' || !OVER.includes(message)) return undefined;
  if ('text' in source.token) return over('COUNTERSIGN_IDENTITY_TOKEN');
  return new Refusal('identity_over', `The token in ${source.token.file} is over; ${message}.`, {
    ...{
      hint: 'Whatever writes that file writes a new one in time; one that may be shown once is of no use to an agent.',
    },
    requestId,
  });
}

/** What was refused to whoever this is, and whether it is a decision. */
export function refusalOf(call: Call<unknown>, error: unknown): Refusal {
  return findEndedToken(call, toFailure(error)) ?? toRefusal(error);
}

/** How an agent asks: whatever identity the command finds, it is found anew at each request. */
export function createAskService(call: Call<unknown>): AskService {
  return async (wanted) => {
    try {
      return await askForCredentials(call, wanted);
    } catch (error) {
      throw refusalOf(call, error);
    }
  };
}

// What an answer of the service means: JSON, or a problem (RFC 9457), or an OAuth error (RFC 6749) as a Failure.
import { EXIT, Failure } from './failure.ts';
import type { Answer } from './http.ts';

interface Refusal {
  type?: unknown;
  code?: unknown;
  detail?: unknown;
  hint?: unknown;
  request_id?: unknown;
  sts_request_id?: unknown;
  error?: unknown;
  error_description?: unknown;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** The service's own code in a refusal; undefined in what anything else says, though it be JSON with an `error` or a `code`. */
export type FindCode = (refusal: Refusal) => string | undefined;

/** Of the API: a problem is of a type of ours. */
const findProblemCode: FindCode = ({ type, code }) =>
  typeof code === 'string' && type === `urn:countersign:problem:${code}` ? code : undefined;

/** What the token endpoint may say, with what to do where it does not say that itself. */
const OAUTH_ERRORS: Record<string, string | undefined> = {
  invalid_request: undefined,
  unsupported_grant_type: undefined,
  rate_limited: undefined,
  temporarily_unavailable: undefined,
  server_error: undefined,
  invalid_client:
    'Check COUNTERSIGN_CLIENT_ID, that the public half of COUNTERSIGN_PRIVATE_KEY_FILE is registered and not expired, that it is not suspended, and this clock.',
  unauthorized_client: 'Ask an operator why it is suspended, and to resume it.',
  invalid_target:
    'This client may not have a token for that resource: check the connection and its grants, or the audiences registered.',
  invalid_scope: 'This client does not have every scope asked for; `countersign whoami` shows who it is.',
};

/** Of the token endpoint: an error of OAuth that it answers, described; a seal has a code beside. What comes before it is a problem. */
export const findTokenCode: FindCode = (refusal) => {
  const { error, error_description: description, code } = refusal;
  const isKnown = typeof error === 'string' && Object.hasOwn(OAUTH_ERRORS, error) && text(description) !== undefined;
  return isKnown ? (text(code) ?? error) : findProblemCode(refusal);
};

/** Throws unless the answer is a success. */
export function assertOk(answer: Answer, findCode: FindCode = findProblemCode): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const refusal = (parse(answer.text) ?? {}) as Refusal;
  const code = findCode(refusal);
  const requestId = text(refusal.request_id) ?? answer.requestId;
  if (code === undefined) throw notOurs(answer);
  throw new Failure(
    code,
    text(refusal.detail) ?? text(refusal.error_description) ?? `The service answered ${answer.status}.`,
    {
      exit: answer.status === 404 ? EXIT.notFound : EXIT.failed,
      hint: text(refusal.hint) ?? OAUTH_ERRORS[code],
      status: answer.status,
      requestId,
      stsRequestId: text(refusal.sts_request_id),
      retryAfter: answer.retryAfter,
    },
  );
}

/** @throws Failure where the answer is no success, or not JSON. */
export function readAnswer(answer: Answer, findCode?: FindCode): unknown {
  assertOk(answer, findCode);
  if (answer.status === 204 || answer.text === '') return undefined;
  const value = parse(answer.text);
  if (value === undefined) throw notOurs(answer);
  return value;
}

function notOurs(answer: Answer): Failure {
  return new Failure('unexpected_answer', `HTTP ${answer.status}, and not in Countersign's words.`, {
    hint: 'Is COUNTERSIGN_URL the internal URL of the service, and nothing else in front of it?',
    status: answer.status,
    requestId: answer.requestId,
    retryAfter: answer.retryAfter,
  });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

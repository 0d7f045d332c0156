// What an answer of the service means: JSON, or a problem (RFC 9457), or an OAuth error (RFC 6749) as a Failure.
import { EXIT, Failure } from './failure.ts';
import type { Answer } from './http.ts';

interface Refusal {
  code?: unknown;
  detail?: unknown;
  hint?: unknown;
  request_id?: unknown;
  sts_request_id?: unknown;
  error?: unknown;
  error_description?: unknown;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
/** What stands in between says "Not Found" where the service says `not_found`. */
const codeOf = (value: unknown): string | undefined => text(value)?.match(/^[a-z][a-z0-9_]*$/)?.[0];

const OAUTH_HINTS: Record<string, string> = {
  invalid_client:
    'Check COUNTERSIGN_CLIENT_ID, that the public half of COUNTERSIGN_PRIVATE_KEY_FILE is registered and not expired, that it is not suspended, and this clock.',
  unauthorized_client: 'Ask an operator why it is suspended, and to resume it.',
  invalid_target:
    'This client may not have a token for that resource: check the connection and its grants, or the audiences registered.',
  invalid_scope: 'This client does not have every scope asked for; `countersign whoami` shows who it is.',
};

/** Throws unless the answer is a success. */
export function assertOk(answer: Answer): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const refusal = (parse(answer.text) ?? {}) as Refusal;
  const code = codeOf(refusal.code) ?? codeOf(refusal.error);
  const requestId = text(refusal.request_id) ?? answer.requestId;
  if (code === undefined) throw notOurs(answer);
  throw new Failure(
    code,
    text(refusal.detail) ?? text(refusal.error_description) ?? `The service answered ${answer.status}.`,
    {
      exit: answer.status === 404 ? EXIT.notFound : EXIT.failed,
      hint: text(refusal.hint) ?? OAUTH_HINTS[code],
      status: answer.status,
      requestId,
      stsRequestId: text(refusal.sts_request_id),
      retryAfter: answer.retryAfter,
    },
  );
}

/** @throws Failure where the answer is no success, or not JSON. */
export function readAnswer(answer: Answer): unknown {
  assertOk(answer);
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

// The codes that callers may meet, and the one place that knows their HTTP status.

export const STATUS = {
  // requests
  invalid_request: 400,
  invalid_json: 400,
  duplicate_header: 400,
  invalid_cursor: 400,
  reason_required: 400,
  unauthenticated: 401,
  invalid_token: 401,
  insufficient_scope: 403,
  scope_not_held: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  idempotency_key_reused: 422,
  payload_too_large: 413,
  headers_too_large: 431,
  request_timeout: 408,
  unsupported_media_type: 415,
  misdirected_request: 421,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
  // the service itself
  sealed: 503,
  migration_missing: 409,
  // registries
  workload_suspended: 403,
  administrator_suspended: 403,
  invalid_key: 400,
  key_exists: 409,
  too_many_keys: 409,
  last_key: 409,
  audience_refused: 400,
  reference_taken: 409,
  slug_taken: 409,
  grant_exists: 409,
  invalid_session_policy: 400,
  invalid_tags: 400,
  grant_would_be_ambiguous: 409,
  // federation
  trusted_issuer_refused: 400,
  trusted_issuer_exists: 409,
  trusted_issuer_in_use: 409,
  identity_refused: 400,
  identity_overlaps: 409,
  // connections
  connection_not_active: 409,
  connection_disconnected: 409,
  connection_state_refused: 409,
  custom_policy_unpublished: 409,
  template_url_missing: 409,
  issuer_unreachable: 503,
  // keys
  standby_unseasoned: 409,
  outage_ahead: 409,
  standby_not_served: 409,
  ring_held: 409,
  ring_full: 409,
  standby_refused_by_sts: 409,
  ring_retired: 409,
  hold_out_of_range: 400,
  key_revoked: 409,
  key_not_revocable: 409,
  policy_unsound: 422,
  kek_unknown: 409,
  kek_not_everywhere: 409,
  signer_refused: 409,
  // static publishing
  publishing_on: 409,
  publishing_off: 409,
  publishing_leased: 409,
  publishing_lease_lost: 409,
  // the broker
  grant_ambiguous: 403,
  duration_exceeds_limit: 403,
  duration_out_of_range: 400,
  session_policy_not_deny: 400,
  session_policy_too_large: 400,
  sts_refused: 403,
  sts_misconfigured: 502,
  sts_answer_refused: 502,
  sts_unavailable: 503,
  sts_throttled: 503,
} as const satisfies Record<string, number>;

export type Code = keyof typeof STATUS;

export interface ProblemOptions {
  /** What to do about it, for a person. */
  hint?: string;
  /** Seconds; becomes Retry-After. */
  retryAfter?: number;
  /** Further members of the problem document, snake_case. */
  extra?: Record<string, string | number | string[]>;
  cause?: unknown;
}

/** An error that a caller is told about, as an RFC 9457 problem document. */
export class Problem extends Error {
  readonly code: Code;
  readonly options: ProblemOptions;

  constructor(code: Code, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.options = options;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

export function unavailable(detail: string, cause?: unknown): Problem {
  return new Problem('unavailable', detail, { retryAfter: 1, hint: 'Try again in a moment.', cause });
}

/** Something that stops the service from starting: a name, a sentence, and what to do. */
export class StartError extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, detail: string, hint: string) {
    super(detail);
    this.name = 'StartError';
    this.code = code;
    this.hint = hint;
  }
}

// Why the agent got no session: what the service, its token endpoint or the way there said, and whether it lasts.
import { STATUS_CODES } from 'node:http';
import { awsMessage } from '../http/problems.ts';

export interface RefusalOptions {
  hint?: string | undefined;
  /** HTTP status of the service's answer; undefined where it gave none, or nothing could be asked. */
  status?: number | undefined;
  /** Of the service, where it answered. */
  requestId?: string | undefined;
  /** Of AWS STS, where that answered. */
  stsRequestId?: string | undefined;
  /** Seconds. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

export class Refusal extends Error {
  readonly code: string;
  readonly options: RefusalOptions;

  constructor(code: string, detail: string, options: RefusalOptions = {}) {
    super(detail, { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.options = options;
  }

  /** What callers of the agent are answered with: 503 where nobody answered. */
  get status(): number {
    return this.options.status ?? 503;
  }

  /** Seconds until it is worth asking again; said of whatever passes by itself, though nobody else said it. */
  get retryAfter(): number | undefined {
    return this.options.retryAfter ?? (this.status === 503 || this.status === 429 ? 1 : undefined);
  }
}

/** Codes beyond 4xx that are decisions: the service is sealed, or what AWS answered is not this role's. */
const DECISIONS = new Set(['sealed', 'sts_answer_refused']);
/** Codes of what passes by somebody's hand alone: waiting mends nothing of it. A process believes the authorities that it began with. */
const BY_HAND = new Set(['sts_misconfigured', 'token_over', 'tls_failed']);
const BUSY = new Set([408, 425, 429]);

/** Whether it was decided that there is no session: what was kept is not given on. Else it passes by itself. */
export function isLasting({ code, options: { status } }: Refusal): boolean {
  if (DECISIONS.has(code)) return true;
  return status !== undefined && status >= 400 && status < 500 && !BUSY.has(status);
}

/** Whether who has no session is held meanwhile. */
export function isWaitedFor(refusal: Refusal): boolean {
  return !isLasting(refusal) && !BY_HAND.has(refusal.code);
}

/** The body that SDKs are answered with; the service's own members, `Code` and `Message` as they show them. */
export function refusalDocument(refusal: Refusal, ownRequestId: string): object {
  const { code, message: detail, status, options } = refusal;
  const { hint, requestId = ownRequestId, stsRequestId } = options;
  const told = {
    detail,
    ...(hint === undefined ? {} : { hint }),
    request_id: requestId,
    ...(stsRequestId === undefined ? {} : { sts_request_id: stsRequestId }),
  };
  return {
    ...{ type: `urn:countersign:problem:${code}`, title: STATUS_CODES[status] ?? 'Error', status, code, ...told },
    ...{ Code: code, Message: awsMessage(told) },
  };
}

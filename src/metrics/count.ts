// What is counted, in closed sets of outcomes: no label ever holds what a caller, a customer or a database says.
import type { StsSide } from '../clouds/aws-errors.ts';

/** `stranger`: nobody was authenticated. `unavailable`: 503, and nothing was issued. */
export const TOKEN_OUTCOMES = ['minted', 'refused', 'stranger', 'unavailable'] as const;
export type TokenOutcome = (typeof TOKEN_OUTCOMES)[number];

/** What STS said to one call; but for `ok`, who can mend it. `account_owner` is a customer's stack, not this service. */
export const STS_OUTCOMES = ['ok', 'account_owner', 'caller', 'ours', 'transient', 'throttled'] as const;
export type StsOutcome = 'ok' | StsSide;

/** `dropped`: refused after STS answered. `unrecorded`: the outcome could not be made durable, so nothing was given. */
export const HANDOUT_OUTCOMES = ['given', 'dropped', 'unrecorded'] as const;
export type HandoutOutcome = (typeof HANDOUT_OUTCOMES)[number];

export const STS_OPERATIONS = ['assume_role', 'get_caller_identity'] as const;
export type StsOperation = (typeof STS_OPERATIONS)[number];

export const SPAN_OUTCOMES = ['exported', 'lost'] as const;
export type SpanOutcome = (typeof SPAN_OUTCOMES)[number];

export const CANARY_SUBJECTS = ['standby', 'revocation'] as const;
export type CanarySubject = (typeof CANARY_SUBJECTS)[number];

/** What STS said to a canary: of its key, or of something else. */
export const CANARY_OUTCOMES = ['accepted', 'refused', 'unclear'] as const;
export type CanaryOutcome = (typeof CANARY_OUTCOMES)[number];

/** Whether the refused caller had proved who it is. */
export type Refused = 'known' | 'stranger';

/** What the rooms of the service are given: each call is a few additions in memory. */
export interface Count {
  token(outcome: TokenOutcome): void;
  exchange(outcome: StsOutcome): void;
  handout(outcome: HandoutOutcome): void;
  /** A problem's or an OAuth error's code; what is not in the closed set counts as `other`. */
  refusal(caller: Refused, code: string): void;
  /** An answer with a status of 500 or more. */
  failure(code: string): void;
  sts(operation: StsOperation, outcome: StsOutcome, seconds: number): void;
  canary(about: CanarySubject, outcome: CanaryOutcome): void;
  /** Spans that a collector took, or that were lost. */
  spans(outcome: SpanOutcome, spans: number): void;
  /** One batch of the audit log, with the time that it took. */
  batch(rows: number, seconds: number, written: boolean): void;
}

/** For those that are built without metrics. */
export const UNCOUNTED: Count = {
  token: () => {},
  exchange: () => {},
  handout: () => {},
  refusal: () => {},
  failure: () => {},
  sts: () => {},
  canary: () => {},
  spans: () => {},
  batch: () => {},
};

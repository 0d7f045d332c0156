// The counters and histograms of what the service does, each label's values known beforehand and shown from the start.
import { STATUS } from '../errors.ts';
import {
  CANARY_OUTCOMES,
  CANARY_SUBJECTS,
  type Count,
  HANDOUT_OUTCOMES,
  SPAN_OUTCOMES,
  STS_OPERATIONS,
  STS_OUTCOMES,
  type StsOperation,
  type StsOutcome,
  TOKEN_OUTCOMES,
} from './count.ts';
import { Counter, Histogram, type Registry } from './vendor.ts';

/** RFC 6749, RFC 8707 and what this token endpoint adds; those that are problem codes too are not repeated. */
const OAUTH_ERRORS = [
  ...['invalid_client', 'invalid_grant', 'invalid_scope', 'invalid_target', 'unauthorized_client'],
  ...['unsupported_grant_type', 'temporarily_unavailable', 'server_error'],
];

const CODES = Object.keys(STATUS) as (keyof typeof STATUS)[];
const FAILURE_CODES = CODES.filter((code) => STATUS[code] >= 500);
const REFUSAL_CODES = [...CODES.filter((code) => STATUS[code] < 500), ...OAUTH_ERRORS];
const OTHER = 'other';

/** What came since the last scrape: to add one costs nothing, and the client is told when it is asked. */
interface Tally {
  more: number;
}

/** A counter with one label of a closed set; every value is there from the start, at 0. */
function countBy<Value extends string>(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  values: readonly Value[],
): Map<string, Tally> {
  const tallies = new Map<string, Tally>(values.map((value) => [value, { more: 0 }]));
  new Counter({
    ...{ name, help, labelNames: [label], registers: [registry] },
    collect() {
      for (const [value, tally] of tallies) {
        this.inc({ [label]: value }, tally.more);
        tally.more = 0;
      }
    },
  });
  return tallies;
}

function add(tallies: ReadonlyMap<string, Tally>, value: string, more = 1): void {
  const tally = tallies.get(value) ?? tallies.get(OTHER);
  if (tally) tally.more += more;
}

export function createCounters(registry: Registry): Count {
  const tokens = countBy(
    registry,
    'countersign_tokens_total',
    'Token requests, by outcome.',
    'outcome',
    TOKEN_OUTCOMES,
  );
  const exchanges = countBy(
    registry,
    'countersign_exchanges_total',
    'Calls to STS for a caller, by who can mend the outcome; account_owner is a customer’s own stack.',
    'outcome',
    STS_OUTCOMES,
  );
  const handouts = countBy(
    registry,
    'countersign_handouts_total',
    'Session credentials that STS gave, by whether a caller got them.',
    'outcome',
    HANDOUT_OUTCOMES,
  );
  const refusals = {
    known: countBy(
      registry,
      'countersign_refusals_total',
      'Refused calls of callers who had proved who they are, by code; each is on record too.',
      'code',
      [...REFUSAL_CODES, OTHER],
    ),
    stranger: countBy(
      registry,
      'countersign_strangers_refused_total',
      'Refused calls of nobody known, by code.',
      'code',
      [...REFUSAL_CODES, OTHER],
    ),
  };
  const failures = countBy(
    registry,
    'countersign_failures_total',
    'Answers with a status of 500 or more, by code.',
    'code',
    [...FAILURE_CODES, OTHER],
  );

  const calls = new Counter({
    name: 'countersign_sts_calls_total',
    help: 'Calls to AWS STS, those of verifications too, by operation and by who can mend the outcome.',
    labelNames: ['operation', 'outcome'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'countersign_sts_duration_seconds',
    help: 'Time that one call to AWS STS took, its attempts together.',
    labelNames: ['operation'],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 7, 10],
    registers: [registry],
  });
  for (const operation of STS_OPERATIONS) {
    durations.zero({ operation });
    for (const outcome of STS_OUTCOMES) calls.inc({ operation, outcome }, 0);
  }

  const canaries = new Counter({
    name: 'countersign_canaries_total',
    help: 'Canaries shown to AWS STS, by what they ask about and what STS said of the key that signed them.',
    labelNames: ['about', 'outcome'],
    registers: [registry],
  });
  for (const about of CANARY_SUBJECTS) for (const outcome of CANARY_OUTCOMES) canaries.inc({ about, outcome }, 0);

  const spans = countBy(
    registry,
    'countersign_spans_total',
    'Spans that the collector of traces took, or that were lost; none where no endpoint is configured.',
    'outcome',
    SPAN_OUTCOMES,
  );
  const rows = new Histogram({
    name: 'countersign_audit_batch_rows',
    help: 'Appends in one batch of the audit log.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers: [registry],
  });
  const batches = new Histogram({
    name: 'countersign_audit_batch_seconds',
    help: 'Time until one batch of the audit log was durable.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [registry],
  });
  const unwritten = new Counter({
    name: 'countersign_audit_batches_failed_total',
    help: 'Batches of the audit log that could not be written; whoever waited for them was refused.',
    registers: [registry],
  });

  return {
    token: (outcome) => add(tokens, outcome),
    exchange: (outcome) => add(exchanges, outcome),
    handout: (outcome) => add(handouts, outcome),
    refusal: (caller, code) => add(refusals[caller], code),
    failure: (code) => add(failures, code),
    sts: (operation: StsOperation, outcome: StsOutcome, seconds) => {
      calls.inc({ operation, outcome });
      durations.observe({ operation }, seconds);
    },
    canary: (about, outcome) => canaries.inc({ about, outcome }),
    spans: (outcome, more) => add(spans, outcome, more),
    batch: (size, seconds, written) => {
      rows.observe(size);
      batches.observe(seconds);
      if (!written) unwritten.inc();
    },
  };
}

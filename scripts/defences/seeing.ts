// Seeing it: what metrics and traces may hold, who may read them, and what they may cost.
import { type Defence, provenBy } from './defence.ts';

const METRICS = 'test/metrics/metrics.test.ts';
const STATE = 'test/metrics/state.test.ts';
const OVERDUE = 'test/metrics/overdue.test.ts';
const CONTEXT = 'test/tracing/context.test.ts';
const EXPORT = 'test/tracing/export.test.ts';
const trace = 'src/trace.ts';

export const seeing: Defence[] = [
  ...provenBy(
    METRICS,
    'metrics answer any Host without a token on the internal listener, and are not on the public one',
    [
      {
        name: 'seeing.internal-metrics',
        promise: 'metrics are never on the public listener',
        file: 'src/app.ts',
        find: 'registerHealthRoutes(strangers, deps.readiness, FOR_STRANGERS);',
        replace:
          'registerHealthRoutes(strangers, deps.readiness, FOR_STRANGERS); registerMetricsRoute(strangers, deps.metrics);',
      },
    ],
  ),
  ...provenBy(STATE, 'a code that nobody foresaw is no label, and two services count apart', [
    {
      name: 'seeing.closed-labels',
      promise: 'no label holds what a caller says',
      file: 'src/metrics/counters.ts',
      find: 'tallies.get(value) ?? tallies.get(OTHER)',
      replace: '(tallies as Map<string, Tally>).set(value, tallies.get(value) ?? { more: 0 }).get(value)',
    },
  ]),
  ...provenBy(STATE, 'ages of a hundred thousand rings, in turns short enough for everybody else', [
    {
      name: 'seeing.ages-in-turns',
      promise: 'a scrape holds nobody up, however many rings there are',
      file: 'src/metrics/keys.ts',
      find: 'if (++looked % STEP === 0) await nextTurn();',
      replace: '',
      also: [
        { file: 'src/metrics/keys.ts', find: 'const STEP = 250;', replace: '' },
        { file: 'src/metrics/keys.ts', find: 'let looked = 0;', replace: '' },
      ],
    },
    {
      name: 'seeing.retired-rings',
      promise: 'a removed connection’s keys age no figure',
      file: 'src/metrics/keys.ts',
      find: 'if (retired) continue;',
      replace: 'void retired;',
    },
  ]),
  ...provenBy(STATE, 'a database that hangs holds up no scrape, and nothing is made up', [
    {
      name: 'seeing.scrape-deadline',
      promise: 'no query without a deadline, at a scrape too',
      file: 'src/metrics/state.ts',
      find: 'const DEADLINE_MS = 2000;',
      replace: 'const DEADLINE_MS = 3_600_000;',
    },
  ]),
  ...provenBy(STATE, 'what hangs takes no other figure along: a KMS that does not answer, or one table', [
    {
      name: 'seeing.hangs-alone',
      promise: 'what hangs makes no other figure wrong',
      file: 'src/metrics/state.ts',
      find: 'const ANSWER_MS = 1000;',
      replace: 'const ANSWER_MS = 3_600_000;',
    },
  ]),
  ...provenBy(OVERDUE, 'a ring that is put off again and again is late, and one whose rotations are held is not', [
    {
      name: 'seeing.overdue-by-facts',
      promise: 'a key that signs past its time is seen, however often its ring is put off',
      file: 'src/metrics/state.ts',
      find: 'view.now() - (late.at ?? view.now())',
      replace: 'view.now() - (database.queue?.earliest ?? view.now())',
    },
    {
      name: 'seeing.held-is-not-late',
      promise: 'a ring whose rotations are held raises no alarm',
      file: 'src/keys/overdue.ts',
      find: 'until.getTime() > now',
      replace: 'until.getTime() < 0',
    },
  ]),
  ...provenBy(OVERDUE, 'a standby that was published as a file late is not due before A + e after that', [
    {
      name: 'seeing.late-copies-are-waited-for',
      promise: 'a ring that waits for a copy’s readers is late only after that',
      file: 'src/keys/overdue.ts',
      find: 'placed.get(key.kid) ?? key',
      replace: 'key ?? placed',
    },
  ]),
  ...provenBy('test/reach/reach.test.ts', 'an answer that is no document has a name', [
    {
      name: 'seeing.short-lived-certificates',
      promise: 'a certificate of days raises no alarm for most of its life',
      file: 'src/reach/renewal.ts',
      find: 'Math.min(NEAR_MS, (until - from) / SHARE)',
      replace: 'Math.max(NEAR_MS, (from - until) / SHARE)',
    },
  ]),
  ...provenBy(STATE, 'what is asked of the database is asked once in some seconds, however often it is scraped', [
    {
      name: 'seeing.scrape-asks-once',
      promise: 'whoever scrapes often asks the database no more often',
      file: 'src/metrics/state.ts',
      find: 'const KEPT_MS = 5000;',
      replace: 'const KEPT_MS = 0;',
    },
  ]),
  ...provenBy(CONTEXT, 'what is not is nothing', [
    {
      name: 'seeing.trace-zeros',
      promise: 'a trace or parent id of zeros is none',
      file: trace,
      find: ' || /^0+$/.test(traceId) || /^0+$/.test(spanId)',
      replace: '',
    },
    {
      name: 'seeing.trace-version',
      promise: 'version ff is none, and version 00 has four parts',
      file: trace,
      find: "(version === '00' || header[VERSION_00] !== '-')",
      replace: 'false',
    },
    {
      name: 'seeing.trace-form',
      promise: 'traceparent is lower case, to the letter',
      file: trace,
      find: '-([0-9a-f]{2})$/;',
      replace: '-([0-9a-f]{2})$/i;',
    },
  ]),
  ...provenBy(EXPORT, 'spans of an exchange stand below the caller’s, and AWS is told nothing of them', [
    {
      name: 'seeing.spans-without-queries',
      promise: 'spans hold no path as it came, and no query',
      file: 'src/http/traced.ts',
      find: "'http.route': request.routeOptions.url,",
      replace: "'http.route': request.url,",
    },
  ]),
  ...provenBy(EXPORT, 'spans wait in a queue that is bounded; what is beyond is lost, and counted', [
    {
      name: 'seeing.spans-bounded',
      promise: 'no unbounded queue, of spans neither',
      file: 'src/tracing/export.ts',
      find: 'const LONGEST_QUEUE = 2048;',
      replace: 'const LONGEST_QUEUE = 1_000_000;',
    },
  ]),
  ...provenBy(EXPORT, 'closing does not wait until a collector that says nothing is given up', [
    {
      name: 'seeing.spans-close-in-time',
      promise: 'a collector that hangs does not hold up the end of the service',
      file: 'src/tracing/export.ts',
      find: 'const CLOSE_MS = 2000;',
      replace: 'const CLOSE_MS = 60_000;',
    },
  ]),
  ...provenBy(
    'test/tracing/unset.test.ts',
    'without an endpoint no module of OpenTelemetry is loaded, and the caller’s trace is answered all the same',
    [
      {
        name: 'seeing.no-weight',
        promise: 'without an endpoint OpenTelemetry has no weight',
        file: 'src/tracing/start.ts',
        find: "if (!traces) return undefined; const { startTraceExport } = await import('./export.ts');",
        replace: "const { startTraceExport } = await import('./export.ts'); if (!traces) return undefined;",
      },
    ],
  ),
  ...provenBy('test/http/request-id.test.ts', 'every answer carries x-request-id, each its own', [
    {
      name: 'seeing.request-ids',
      promise: 'request ids in every answer, of documents too',
      file: 'src/issuers/plain-request.ts',
      find: "'x-request-id', createRequestId(),",
      replace: '',
    },
  ]),
];

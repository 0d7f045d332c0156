// Seeing it: what metrics and traces may hold, who may read them, and what they may cost.
import { type Defence, provenBy } from './defence.ts';

const METRICS = 'test/metrics/metrics.test.ts';
const STATE = 'test/metrics/state.test.ts';

export const seeing: Defence[] = [
  ...provenBy(
    METRICS,
    'metrics answer any Host without a token on the internal listener, and are not on the public one',
    [
      {
        name: 'seeing.internal-metrics',
        promise: 'metrics are never on the public listener',
        file: 'src/app.ts',
        find: 'registerHealthRoutes(strangers, deps.readiness);',
        replace: 'registerHealthRoutes(strangers, deps.readiness); registerMetricsRoute(strangers, deps.metrics);',
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
  ...provenBy(STATE, 'what is asked of the database is asked once in some seconds, however often it is scraped', [
    {
      name: 'seeing.scrape-asks-once',
      promise: 'whoever scrapes often asks the database no more often',
      file: 'src/metrics/state.ts',
      find: 'const KEPT_MS = 5000;',
      replace: 'const KEPT_MS = 0;',
    },
  ]),
];

// `npm run bench`: one small round of everything still runs, and says what it promises to say. Figures are not judged.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { isMet, median, type Result, toJson, toTable } from '../../bench/report.ts';
import { findTrend, judgeTrend } from '../../bench/trend.ts';

const MAIN = join(import.meta.dirname, '../../bench/main.ts');

function bench(...args: string[]) {
  const { PATH, HOME, TEST_DATABASE_URL } = process.env;
  return spawnSync(process.execPath, [MAIN, ...args], { env: { PATH, HOME, TEST_DATABASE_URL }, encoding: 'utf8' });
}

const EXPECTED = [
  ['token_vs_bare_oidc_provider', { atLeast: 0.75 }],
  ['federated_vs_private_key_mint', { atLeast: 0.9 }],
  ['jwks_vs_constant_route', { atLeast: 0.9 }],
  ['exchange_share_growth', { atMost: 1.2 }],
  ['keygen_request_p99_ratio', { atMost: 1.5 }],
  ['handout_vs_verifying_route', { atLeast: 0.6 }],
  ['cold_fanout_sts_calls', { atMost: 1 }],
  ['cold_fanout_extra_ms', { atMost: 250 }],
  ['many_connections_vs_stub', { atLeast: 0.9 }],
  ['rings_100k_rss_mb', { atMost: 2 }],
  ['rings_100k_first_jwks_ms', { atMost: 3 }],
  ['start_to_ready_ms', { atMost: 2 }],
  ['idle_rss_mb', { atMost: 1.5 }],
] as const;

t.test('a quick round prints one JSON object, and nothing else', async (t) => {
  const { status, stdout, stderr } = bench('--quick', '--json');
  t.equal(status, 0, stderr);
  const results = JSON.parse(stdout) as Record<string, Omit<Result, 'name'>>;
  t.same(
    Object.keys(results),
    EXPECTED.map(([name]) => name),
  );
  for (const [name, target] of EXPECTED) {
    const { ratio, runs, baseline, target: printed } = results[name] as Omit<Result, 'name'>;
    t.ok(Number.isFinite(ratio) && ratio > 0, name);
    t.same(runs, [ratio], 'one run, so its median');
    t.match(baseline, /against/);
    t.same(printed, target);
  }
});

t.test('an unknown name is refused with those that there are', async (t) => {
  const { status, stderr } = bench('nothing');
  t.equal(status, 2);
  t.match(stderr, /no bench nothing: choose from token_vs_bare_oidc_provider/);
});

t.test('a miss is printed as one', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  const common = { runs: [0.5], baseline: 'a against b', figures: { a: '1/s' } };
  const missed: Result = { ...common, name: 'x', ratio: 0.74, target: { atLeast: 0.75 } };
  const met: Result = { ...common, name: 'y', ratio: 1.2, target: { atMost: 1.2 } };
  t.same([isMet(missed), isMet(met), isMet({ ratio: 1.21, target: { atMost: 1.2 } })], [false, true, false]);
  const table = toTable([missed, met]);
  t.match(table, /^x +0\.74 +>= 0\.75 +NO/m);
  t.match(table, /^y +1\.20 +<= 1\.2 +yes/m);
  t.same(Object.keys(JSON.parse(toJson([missed, met]))), ['x', 'y']);
});

t.test('what grows is told from what only goes up and down, and from what is not known yet', async (t) => {
  const judged = (values: number[], anHour: number) =>
    judgeTrend(
      findTrend(values.map((value, index) => ({ hours: index / 10, value: value + (anHour * index) / 10 }))),
      1,
    );
  const [steady, shaken] = [Array.from({ length: 40 }, (_, index) => 80 + (index % 3) / 10), [80, 95, 70, 88, 79]];
  t.same([judged(steady, 0), judged(steady, 2), judged(steady, -3)], ['flat', 'grows', 'flat']);
  t.equal(judged(shaken, 0), 'undecided');
  const { slope, error } = findTrend([0, 1, 2].map((hours) => ({ hours, value: 5 + 2 * hours })));
  t.same([slope, error], [2, 0]);
});

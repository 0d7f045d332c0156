// `npm run bench`: one small round of everything still runs, and says what it promises to say. Figures are not judged.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import t from 'tap';
import { openPostgres } from '../../bench/database.ts';
import { isMet, median, type Result, toJson, toTable } from '../../bench/report.ts';
import { findTrend, judgeTrend } from '../../bench/trend.ts';
import { judgeSoak, type Sample } from '../../bench/verdict.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../bench/main.ts');

function benchAt(server: string | undefined, ...args: string[]) {
  const { PATH, HOME } = process.env;
  return spawnSync(process.execPath, [MAIN, ...args], {
    env: { PATH, HOME, TEST_DATABASE_URL: server },
    encoding: 'utf8',
  });
}

const bench = (...args: string[]) => benchAt(process.env.TEST_DATABASE_URL, ...args);

const EXPECTED = [
  ['token_vs_bare_oidc_provider', { atLeast: 0.75 }],
  ['federated_vs_private_key_mint', { atLeast: 0.9 }],
  ['jwks_vs_constant_route', { atLeast: 0.9 }],
  ['exchange_share_growth', { atMost: 1.2 }],
  ['keygen_request_p99_ratio', { atMost: 1.5 }],
  ['handout_vs_verifying_route', { atLeast: 0.6 }],
  ['refusal_vs_handout', { atLeast: 1 }],
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
    if (name === 'cold_fanout_sts_calls') t.equal(ratio, 1, 'of all who ask at once one asks STS, at any speed');
  }
});

t.test('an unknown name is refused with those that there are', async (t) => {
  const { status, stderr } = bench('nothing');
  t.equal(status, 2);
  t.match(stderr, /no bench nothing: choose from token_vs_bare_oidc_provider/);
});

t.test('a server whose commits are not durable is refused, but for a quick round', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const given = cluster.url;
  const set = async (setting: string): Promise<void> => {
    const client = new pg.Client({ connectionString: given });
    await client.connect();
    await client.query(`alter system set ${setting}`);
    await client.query('select pg_reload_conf()');
    await client.end();
  };
  const codeOf = async (): Promise<string> => {
    try {
      await (await openPostgres({ given })).close();
      return 'opened';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  t.equal(await codeOf(), 'opened');
  await set('synchronous_commit = off');
  t.ok(await until(async () => (await codeOf()) === 'database_synchronous_commit_off'));
  const { status, stderr } = benchAt(given, 'start_to_ready_ms');
  t.equal(status, 2);
  t.match(stderr, /^Commits of the role postgres are asynchronous .* Or ask for --quick/);
  await set('fsync = off');
  t.ok(await until(async () => (await codeOf()) === 'database_fsync_off'));
  const quick = await openPostgres({ given, quick: true });
  t.match(quick.description, /fsync off, synchronous_commit off/);
  await quick.close();
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

t.test('a soak is good where nothing grows, next to nothing is refused, and all is asked in time', async (t) => {
  const minutes = 65;
  const load = { minutes, perSecond: 100, requests: minutes * 6000, refused: 3, late: 1950 };
  /** Every five seconds; sockets come and go. */
  const measured = (handles: (hours: number) => number, anHour = 0): Sample[] =>
    Array.from({ length: minutes * 12 }, (_, index) => {
      const at = (index + 1) * 5000;
      const [hours, more] = [at / 3_600_000, (index % 7) / 10];
      const memory = { live: 40 + more + anHour * hours, resident: 120 + more };
      return { at, ...memory, handles: handles(hours) + (index % 5) };
    });
  const steady = measured(() => 40);
  const healthy = judgeSoak(load, steady);
  t.same([healthy.good, healthy.why], [true, []]);
  t.match(healthy.figures, { per_second: 100, refused: 3, handles: { fewest: 40, more: 0, an_hour: 0 } });
  t.equal(
    judgeSoak(
      load,
      measured((hours) => (hours < 0.9 ? 40 : 41)),
    ).good,
    true,
    'a connection that came late',
  );
  const bad: [what: RegExp, load: object, samples: Sample[]][] = [
    [/^load: 390000 of 390000 were refused/, { refused: load.requests }, steady],
    [/^load: 391 of 390000 were refused/, { refused: 391 }, steady],
    [/^load: 1951 were sent late/, { late: 1951 }, steady],
    [/^load: 50 a second, where 100/, { requests: load.requests / 2 }, steady],
    [/^load: 0 a second/, { requests: 0, refused: 0 }, steady],
    [/^handles: grows/, {}, measured((hours) => 40 + Math.floor(3 * hours))],
    [/^handles: 3 more in the end/, {}, measured((hours) => (hours < 0.9 ? 40 : 43))],
    [/^handles: nobody counted them/, {}, measured(() => 0)],
    [/^live: grows/, {}, measured(() => 40, 3)],
  ];
  for (const [what, over, samples] of bad) {
    const { good, why } = judgeSoak({ ...load, ...over }, samples);
    t.equal(good, false, String(what));
    t.match(why.join('\n'), new RegExp(what, 'm'));
  }
  const short = judgeSoak({ ...load, minutes: 15, requests: 90_000, late: 0 }, steady.slice(0, 15 * 12));
  const more = 'it was too short to tell, give it more minutes.';
  t.same(short.why, [`live: ${more}`, `resident: ${more}`], 'what moves takes longer, what does not is known');
});

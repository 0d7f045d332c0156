// A number of kills as a test: what must hold while they happen, afterwards, and that they happened under load.
import type { Test } from 'tap';
import { testDatabaseUrl } from '../support/databases.ts';
import { call } from '../support/service.ts';
import { until } from '../support/until.ts';
import { createChecker } from './invariants.ts';
import { killReplicas } from './kills.ts';
import { startLoad } from './load.ts';
import { createRandom } from './random.ts';
import { openSoakWorld } from './world.ts';

export async function killUnderLoad(t: Test, options: { seed: number; count: number; atStart: number }): Promise<void> {
  const databaseUrl = (await testDatabaseUrl(t)) as string;
  const world = await openSoakWorld(t, { databaseUrl, replicas: 3 });
  const checker = createChecker(databaseUrl);
  t.teardown(() => checker.close());
  const random = createRandom(options.seed);
  const load = startLoad(world, random, { workers: 4, pauseMs: 80 });
  const kills = await killReplicas(world, load, checker, random, options);
  const { ledger } = load;
  // All are back: each serves, without an excuse.
  for (const replica of world.replicas) {
    const serves = async () => (await call(replica.url, 'GET', '/readyz?capability=tokens')).status === 200;
    t.ok(await until(serves));
  }
  await load.stop();
  t.same(ledger.faults, [], 'during the kills');
  t.same(await checker.settle(ledger), [], 'afterwards');
  t.equal(kills.done, options.count);
  t.ok(ledger.tokens.length > 20 && ledger.sessions.length > 10 && ledger.acts.length > 10, 'under load');
  t.ok(ledger.suspensions > 3 && ledger.refusedSuspended > 3, 'suspensions were tried');
  t.comment(
    `${kills.done} kills (${kills.early} before ready), slowest start ${Math.round(kills.slowestStartMs)} ms, ` +
      `${ledger.tokens.length} tokens, ${ledger.sessions.length} sessions, ${ledger.acts.length} acts, ` +
      `${ledger.suspensions} suspensions, ${ledger.refusedSuspended} refused by them, ` +
      `${ledger.unavailable} times 503, ${ledger.cut} cut, ${checker.rows()} rows in ${checker.streams()} streams`,
  );
}

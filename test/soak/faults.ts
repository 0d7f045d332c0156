// `npm run soak:faults -- --minutes N [--seed S]`: kills and faults of PostgreSQL and of every wire, round after round, under load.
import { startPostgres } from '../support/postgres.ts';
import { createChecker } from './invariants.ts';
import { killReplicas } from './kills.ts';
import { startLoad } from './load.ts';
import { readOptions, withTeardown } from './options.ts';
import { createRandom } from './random.ts';
import { openSoakWorld } from './world.ts';

const options = readOptions();
const until = performance.now() + options.minutes * 60_000;
console.log(`faults for ${options.minutes} min; again with: npm run soak:faults -- --seed ${options.seed}`);
const random = createRandom(options.seed);
let failed = false;
await withTeardown(async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const world = await openSoakWorld(t, { databaseUrl: cluster.url, replicas: 4 });
  const checker = createChecker(cluster.url);
  t.teardown(() => checker.close());
  const load = startLoad(world, random, { workers: 4, pauseMs: 60 });
  const { ledger } = load;
  const kills = await killReplicas(world, load, checker, random, {
    count: Infinity,
    until,
    onKill: ({ done, early, slowestStartMs }) => {
      if (done % 5 !== 0) return;
      console.log(
        `${done} kills (${early} early, slowest start ${Math.round(slowestStartMs)} ms): ${ledger.tokens.length} tokens, ` +
          `${ledger.sessions.length} sessions, ${ledger.acts.length} acts, ${ledger.suspensions} suspensions, ` +
          `${ledger.refusedSuspended} refused, ${ledger.unavailable} times 503, ${ledger.cut} cut`,
      );
    },
  });
  await load.stop();
  const wrong = [...ledger.faults, ...(await checker.settle(ledger))];
  for (const each of wrong) console.log(`FAIL ${each}`);
  console.log(
    `${kills.done} kills, ${checker.rows()} rows in ${checker.streams()} streams, ${wrong.length} broken promises`,
  );
  failed = wrong.length > 0;
});
process.exitCode = failed ? 1 : 0;

// `npm run soak:faults -- --minutes N [--seed S]`: kills and faults of PostgreSQL and of every wire, round after round, under load.
import { startPostgres } from '../support/postgres.ts';
import { disturb, openDisturbedWorld } from './disturb.ts';
import { createChecker } from './invariants.ts';
import { killReplicas } from './kills.ts';
import { startLoad } from './load.ts';
import { readOptions, withTeardown } from './options.ts';
import { createRandom } from './random.ts';

const options = readOptions();
const until = performance.now() + options.minutes * 60_000;
console.log(`faults for ${options.minutes} min; again with: npm run soak:faults -- --seed ${options.seed}`);
const random = createRandom(options.seed);
let failed = false;
await withTeardown(async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const { world, disturbances } = await openDisturbedWorld(t, cluster, random, 3);
  const checker = createChecker(cluster.url);
  t.teardown(() => checker.close());
  const load = startLoad(world, random, { workers: 4, pauseMs: 60 });
  const { ledger } = load;
  let kills = 0;
  let faults = 0;
  let slowestMs = 0;
  for (let round = 1; performance.now() < until && ledger.faults.length === 0; round += 1) {
    const killed = await killReplicas(world, load, checker, random, { count: 5, until });
    kills += killed.done;
    const disturbance = random.pick(disturbances);
    slowestMs = Math.max(slowestMs, await disturb(world, load, checker, random, disturbance));
    faults += 1;
    console.log(
      `round ${round}, ${disturbance.name}: ${kills} kills and ${faults} faults so far, slowest recovery ${Math.round(slowestMs)} ms; ` +
        `${ledger.tokens.length} tokens, ${ledger.sessions.length} sessions, ${ledger.acts.length} acts, ` +
        `${ledger.suspensions} suspensions, ${ledger.refusedSuspended} refused by them, ${ledger.unavailable} times 503`,
    );
  }
  await load.stop();
  const wrong = [...ledger.faults, ...(await checker.settle(ledger))];
  for (const each of wrong) console.log(`FAIL ${each}`);
  console.log(
    `${kills} kills, ${faults} faults, ${checker.rows()} rows in ${checker.streams()} streams, ${wrong.length} broken promises`,
  );
  failed = wrong.length > 0;
});
process.exitCode = failed ? 1 : 0;

// `npm run soak:fuzz -- --minutes N [--seed S]`: the fuzzing of the suite for longer, on PostgreSQL, with other seeds.
import { createTally, fuzzOperation } from '../fuzz/fuzz.ts';
import { inOrder, readOperations } from '../fuzz/requests.ts';
import { startPostgres } from '../support/postgres.ts';
import { readOptions, withTeardown } from './options.ts';

/** A world is made anew after so many passes: what was made in one slows down the comparing of all tables. */
const PASSES = 5;
const RUNS = 20;

const options = readOptions();
const until = performance.now() + options.minutes * 60_000;
console.log(`fuzzing for ${options.minutes} min; again with: npm run soak:fuzz -- --seed ${options.seed}`);
const cluster = await startPostgres();
process.env['COUNTERSIGN_TEST_ENGINE'] = 'postgresql';
process.env['TEST_DATABASE_URL'] = cluster.url;
const { openFuzzWorld } = await import('../fuzz/world.ts');
const tally = createTally();
const operations = inOrder(readOperations());
const faults: string[] = [];
try {
  for (let seed = options.seed; performance.now() < until; ) {
    await withTeardown(async (t) => {
      const world = await openFuzzWorld(t);
      for (let pass = 0; pass < PASSES && performance.now() < until; pass += 1, seed += 1) {
        for (const operation of operations) {
          const fault = await fuzzOperation(world, operation, { seed, runs: RUNS, tally });
          if (fault) {
            faults.push(fault);
            console.log(`FAIL ${fault}`);
          }
        }
        console.log(`seed ${seed}: ${tally.requests} requests so far, ${faults.length} faults`);
      }
    });
  }
} finally {
  await cluster.remove();
}
console.log(`refused: ${JSON.stringify(Object.fromEntries(tally.refused))}`);
console.log(
  `${tally.requests} requests, ${tally.done.size} of ${operations.length} operations carried out, ${faults.length} faults`,
);
process.exitCode = faults.length === 0 ? 0 : 1;

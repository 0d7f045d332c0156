// `npm run soak:rotation -- --minutes N [--seed S]`: rotations under load over three processes that are killed, on PostgreSQL.
import { startPostgres } from '../support/postgres.ts';
import { readOptions, withTeardown } from './options.ts';
import { createRandom } from './random.ts';
import { type RotationCounts, rotateUnderLoad } from './rotations.ts';

const options = readOptions();
console.log(`rotations for ${options.minutes} min; again with: npm run soak:rotation -- --seed ${options.seed}`);

const say = ({ refused, ...counts }: RotationCounts): void =>
  console.log(`${JSON.stringify(counts)}, ${refused.length} refused`);

await withTeardown(async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const until = performance.now() + options.minutes * 60_000;
  let said = performance.now();
  const counts = await rotateUnderLoad(t, {
    ...{ databaseUrl: cluster.url, random: createRandom(options.seed) },
    done: (sofar) => {
      if (performance.now() - said > 15_000) {
        said = performance.now();
        say(sofar);
      }
      return performance.now() > until;
    },
  });
  for (const each of counts.refused.slice(0, 20)) console.log(`FAIL ${each}`);
  say(counts);
  process.exitCode = counts.refused.length > 0 ? 1 : 0;
});

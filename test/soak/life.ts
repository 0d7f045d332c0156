// `npm run soak:life -- --minutes N [--seed S]`: lives of a ring from seed after seed, and what was lived through.
import { createTally, live } from '../life/live.ts';
import { readOptions } from './options.ts';

const { minutes, seed: first } = readOptions();
const until = performance.now() + minutes * 60_000;
const tally = createTally();
let lives = 0;

for (let seed = first; performance.now() < until; seed += 1) {
  try {
    await live(seed, 1, tally);
  } catch (error) {
    console.log(`FAIL with --seed ${seed}\n${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    break;
  }
  lives += 1;
  if (lives % 10 === 0) console.log(`${lives} lives, from seed ${first} to ${seed}: ${JSON.stringify(tally)}`);
}
console.log(`${lives} lives, ${Math.round(tally.days / 365)} years, from seed ${first}: ${JSON.stringify(tally)}`);

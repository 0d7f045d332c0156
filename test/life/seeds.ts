// `node seeds.ts <seed>:<lives> …`: what was lived through, a line of JSON each. Its own process: tap follows every promise, which takes time.
import { createTally, live } from './live.ts';

for (const asked of process.argv.slice(2)) {
  const [seed, lives] = asked.split(':').map(Number) as [number, number];
  const tally = createTally();
  await live(seed, lives, tally);
  console.log(JSON.stringify(tally));
}

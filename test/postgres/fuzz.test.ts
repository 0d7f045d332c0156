// Every operation of openapi.yaml, as it says and broken, by every kind of caller: no fault, a refusal that helps, no change behind it.
import t from 'tap';
import { createTally, fuzzOperation } from '../fuzz/fuzz.ts';
import { inOrder, readOperations } from '../fuzz/requests.ts';
import { openFuzzWorld } from '../fuzz/world.ts';

/** The same in every run of the suite; `npm run soak:fuzz` takes others. */
const SEED = 20_261_126;
const PASSES = 3;
const RUNS = 20;

t.test('every operation, valid and broken', async (t) => {
  const world = await openFuzzWorld(t);
  const tally = createTally();
  const operations = readOperations();
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const operation of inOrder(operations))
      t.equal(await fuzzOperation(world, operation, { seed: SEED + pass, runs: RUNS, tally }), undefined, operation.id);
  }
  const untouched = operations.filter(({ id }) => !tally.done.has(id)).map(({ id }) => id);
  t.same(untouched, [], 'each was carried out, too');
  t.comment(`${tally.requests} requests; refused: ${JSON.stringify(Object.fromEntries(tally.refused))}`);
});

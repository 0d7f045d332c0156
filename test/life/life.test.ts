// Years of a ring's life in the real code, with crashes, clocks that jump, lost and late reads: no token is ever refused.
import fc from 'fast-check';
import t from 'tap';
import { withTeardown } from '../soak/options.ts';
import { COMMANDS } from './commands.ts';
import { openLifeWorld, type Tally } from './world.ts';

/** The same in every run of the suite; another, and how to run it again, is printed by what fails. */
const SEED = Number(process.env['LIFE_SEED'] ?? 20_261_126);
const RUNS = Number(process.env['LIFE_RUNS'] ?? 6);
const LENGTH = 160;

t.test('whatever happens to a ring over years, no token of an unrevoked key is refused', async (t) => {
  const tally: Tally = {
    ...{
      tokens: 0,
      verified: 0,
      rotations: 0,
      revocations: 0,
      holds: 0,
      policies: 0,
      crashes: 0,
      declined: 0,
      days: 0,
    },
  };
  const lives = fc.commands(COMMANDS, { maxCommands: LENGTH, size: 'max' });
  await fc.assert(
    fc.asyncProperty(lives, async (commands) => {
      await withTeardown(async (t) => {
        const world = await openLifeWorld(t, tally);
        await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
      });
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
  t.comment(JSON.stringify(tally));
  for (const [what, times] of Object.entries(tally)) t.ok(times > 0, `${what}: it was lived through`);
});

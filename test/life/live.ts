// Lives of a ring, made by lot from a seed and lived through in the real code.
import fc from 'fast-check';
import { withTeardown } from '../soak/options.ts';
import { COMMANDS } from './commands.ts';
import { openLifeWorld, type Tally } from './world.ts';

const LENGTH = 160;

export const createTally = (): Tally => ({
  ...{ tokens: 0, verified: 0, rotations: 0, revocations: 0, holds: 0 },
  ...{ policies: 0, crashes: 0, declined: 0, days: 0 },
});

/** @throws Error with the seed, and the shortest life that breaks a promise */
export async function live(seed: number, lives: number, tally: Tally): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: LENGTH, size: 'max' }), async (commands) => {
      await withTeardown(async (t) => {
        const world = await openLifeWorld(t, tally);
        await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
      });
    }),
    { seed, numRuns: lives, endOnFailure: true },
  );
}

// Decades of a ring's life in the real code, with crashes, clocks that jump, lost and late reads: no token is ever refused.
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { engine } from '../support/databases.ts';
import type { Tally } from './world.ts';

/** The same in every run of the suite. */
const SEED = 20_261_126;
const LIVES = 3;
/** Another in every run; of one that failed, given again. */
const LOT = Number(process.env['LIFE_SEED'] ?? randomInt(1, 2 ** 31));
const YEARS = 8;

/** @throws Error with what broke a promise */
async function liveThrough(seed: number, lives: number): Promise<Tally> {
  const file = join(import.meta.dirname, 'seeds.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [file, `${seed}:${lives}`]).catch((error: Error) => {
    throw new Error(`to live it again: LIFE_SEED=${seed}\n${error.message}`, { cause: error });
  });
  return JSON.parse(stdout) as Tally;
}

t.test('whatever happens to a ring over years, no token of an unrevoked key is refused', async (t) => {
  const tally = await liveThrough(SEED, LIVES);
  t.comment(`${engine}: ${JSON.stringify(tally)}`);
  for (const [what, times] of Object.entries(tally)) t.ok(times > 0, `${what}: it was lived through`);
  t.ok(tally.days >= YEARS * 365, `${Math.round(tally.days / 365)} years of rotation`);
});

t.test('nor in lives that nobody chose', async (t) => {
  // A life may be empty by chance, and three are not.
  const tally = await liveThrough(LOT, LIVES);
  t.comment(JSON.stringify(tally));
  t.ok(tally.tokens > 0, `LIFE_SEED=${LOT}`);
});

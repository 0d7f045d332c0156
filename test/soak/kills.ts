// kill -9 of replicas at random points under load: while it starts, while it answers, several at once, never all.
import type { Checker } from './invariants.ts';
import type { Load } from './load.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';
import type { SoakWorld } from './world.ts';

const READY_MS = 60_000;

export interface Kills {
  done: number;
  /** Of them before the process was ready. */
  early: number;
  slowestStartMs: number;
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Until `count` kills are done or `until` has passed; afterwards every replica is ready. */
export async function killReplicas(
  { replicas }: SoakWorld,
  load: Load,
  checker: Checker,
  random: Random,
  options: {
    count: number;
    /** How many of them, from 0 to 1, hit a process that is starting; a quarter unless given. */
    atStart?: number;
    until?: number;
    onKill?: (kills: Kills) => void;
  },
): Promise<Kills> {
  const { count, atStart = 0.25, until = Infinity, onKill } = options;
  const kills: Kills = { done: 0, early: 0, slowestStartMs: 0 };
  let begun = 0;
  let checking: Promise<void> = Promise.resolve();
  const { faults } = load.ledger;
  const check = async (): Promise<void> => void faults.push(...(await checker.check(load.ledger)));

  /** Kills it once and starts it again. @returns false where nobody else serves: it is left alone. */
  async function killOnce(replica: Replica): Promise<boolean> {
    const early = !replica.ready;
    if (!replicas.some((other) => other !== replica && other.ready)) return false;
    begun += 1;
    await replica.kill();
    kills.done += 1;
    if (early) kills.early += 1;
    onKill?.(kills);
    checking = checking.then(check);
    await checking;
    replica.start();
    return true;
  }

  async function untilReady(replica: Replica): Promise<void> {
    const began = performance.now();
    await replica.untilReady(READY_MS);
    kills.slowestStartMs = Math.max(kills.slowestStartMs, performance.now() - began);
  }

  async function torment(replica: Replica): Promise<void> {
    while (begun < count && performance.now() < until && faults.length === 0) {
      // On its way up, or some time after.
      if (random.chance(atStart)) await delay(random.whole(900));
      else {
        await untilReady(replica);
        await delay(random.whole(400));
      }
      if (begun < count && !(await killOnce(replica))) await delay(20);
    }
    await untilReady(replica);
  }

  await Promise.all(replicas.map(torment));
  return kills;
}

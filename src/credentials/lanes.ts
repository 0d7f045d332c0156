// Room for exchanges that are under way: a bound over all, a smaller one for each region and each connection, and turns among
// those that wait.
import type { Clock } from '../clock.ts';
import { unavailable } from '../errors.ts';

/** Where an exchange goes. */
export interface Way {
  /** `wl_…` */
  workload: string;
  /** `cn_…` */
  connection: string;
  /** Whose STS is asked. */
  region: string;
}

export interface Lanes {
  /** @throws Problem `unavailable` where too many wait, or the turn came too late; then `work` was not begun. */
  run<T>(way: Way, work: () => Promise<T>): Promise<T>;
}

export interface LanesOptions {
  clock: Pick<Clock, 'monotonic'>;
  /** Under way at once; 192 unless given, fewer than the connections to STS. */
  total?: number;
  /** Of one connection; 32 unless given. */
  each?: number;
  /** Waiting at most, all together; 2000 unless given. */
  waiting?: number;
}

/** Of the room for all, under way and waiting: a region that hangs leaves the rest to the others. */
const REGION_SHARE = 2 / 3;
const LONGEST_WAIT_MS = 5000;

interface Waiting {
  way: Way;
  since: number;
  begin(): void;
  refuse(): void;
}

/** How many there are of each. */
function createTally() {
  const counts = new Map<string, number>();
  const of = (name: string): number => counts.get(name) ?? 0;
  return {
    of,
    add: (name: string, by: 1 | -1): void => {
      const now = of(name) + by;
      if (now === 0) counts.delete(name);
      else counts.set(name, now);
    },
  };
}

export function createLanes({ clock, total = 192, each = 32, waiting = 2000 }: LanesOptions): Lanes {
  const ofConnections = createTally();
  const ofRegions = createTally();
  const waitingFor = createTally();
  /** Of each workload in each connection, in the order of turns: who has had one goes to the end. */
  const queues = new Map<string, Waiting[]>();
  let allRunning = 0;
  let allWaiting = 0;

  const busy = () => unavailable('More new sessions are being fetched than AWS STS answers.');
  const share = (all: number): number => Math.ceil(all * REGION_SHARE);
  const isFree = ({ connection, region }: Way): boolean =>
    allRunning < total && ofRegions.of(region) < share(total) && ofConnections.of(connection) < each;

  const nameOf = ({ workload, connection }: Way): string => `${workload} ${connection}`;

  function move({ connection, region }: Way, by: 1 | -1): void {
    allRunning += by;
    ofConnections.add(connection, by);
    ofRegions.add(region, by);
  }

  function wait(region: string, by: 1 | -1): void {
    allWaiting += by;
    waitingFor.add(region, by);
  }

  /** The first that may go on, and its place in the order. */
  function takeTurn(): void {
    for (const [name, queue] of queues) {
      const [first] = queue as [Waiting];
      if (!isFree(first.way)) continue;
      queues.delete(name);
      queue.shift();
      wait(first.way.region, -1);
      if (queue.length > 0) queues.set(name, queue);
      if (clock.monotonic() - first.since <= LONGEST_WAIT_MS) {
        move(first.way, 1);
        return first.begin();
      }
      first.refuse();
      return takeTurn();
    }
  }

  function enter(way: Way): Promise<void> | undefined {
    const { region } = way;
    const name = nameOf(way);
    if (isFree(way) && !queues.has(name)) {
      move(way, 1);
      return undefined;
    }
    if (allWaiting >= waiting || waitingFor.of(region) >= share(waiting)) throw busy();
    return new Promise((begin, reject) => {
      const queue = queues.get(name) ?? [];
      queue.push({ way, since: clock.monotonic(), begin, refuse: () => reject(busy()) });
      queues.set(name, queue);
      wait(region, 1);
    });
  }

  return {
    run: async (way, work) => {
      await enter(way);
      try {
        return await work();
      } finally {
        move(way, -1);
        takeTurn();
      }
    },
  };
}

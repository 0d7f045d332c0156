// Room for exchanges that are under way: a bound over all, a smaller one for each connection, and turns among those that wait.
import type { Clock } from '../clock.ts';
import { unavailable } from '../errors.ts';

export interface Lanes {
  /** @throws Problem `unavailable` where too many wait, or the turn came too late; then `work` was not begun. */
  run<T>(connection: string, work: () => Promise<T>): Promise<T>;
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

const LONGEST_WAIT_MS = 5000;

interface Waiting {
  since: number;
  begin(): void;
  refuse(): void;
}

export function createLanes({ clock, total = 192, each = 32, waiting = 2000 }: LanesOptions): Lanes {
  const running = new Map<string, number>();
  /** In the order of turns: who has had one goes to the end. */
  const queues = new Map<string, Waiting[]>();
  let allRunning = 0;
  let allWaiting = 0;

  const busy = () => unavailable('More new sessions are being fetched than AWS STS answers.');
  const isFree = (connection: string): boolean => allRunning < total && (running.get(connection) ?? 0) < each;

  function move(connection: string, by: 1 | -1): void {
    allRunning += by;
    const now = (running.get(connection) ?? 0) + by;
    if (now === 0) running.delete(connection);
    else running.set(connection, now);
  }

  /** The first connection that may go on, and its place in the order. */
  function takeTurn(): void {
    for (const [connection, queue] of queues) {
      if (!isFree(connection)) continue;
      queues.delete(connection);
      const first = queue.shift() as Waiting;
      allWaiting -= 1;
      if (queue.length > 0) queues.set(connection, queue);
      if (clock.monotonic() - first.since <= LONGEST_WAIT_MS) {
        move(connection, 1);
        return first.begin();
      }
      first.refuse();
      return takeTurn();
    }
  }

  function enter(connection: string): Promise<void> | undefined {
    if (isFree(connection) && !queues.has(connection)) {
      move(connection, 1);
      return undefined;
    }
    if (allWaiting >= waiting) throw busy();
    return new Promise((begin, reject) => {
      const queue = queues.get(connection) ?? [];
      queue.push({ since: clock.monotonic(), begin, refuse: () => reject(busy()) });
      queues.set(connection, queue);
      allWaiting += 1;
    });
  }

  return {
    run: async (connection, work) => {
      await enter(connection);
      try {
        return await work();
      } finally {
        move(connection, -1);
        takeTurn();
      }
    },
  };
}

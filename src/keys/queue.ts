// The queue of rotations over all rings: due ones oldest first, each leased by one process, a few at a time.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { type Actor, SYSTEM } from '../audit/act.ts';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import { type RotateDeps, rotateDue, seeOwnChange } from './rotate.ts';
import { listDueRings } from './store.ts';

/** Rings that one process rotates at once: the checks wait for others' networks. */
const LANES = 4;
/** Rings that one process takes in a turn, every two seconds: twenty a second, and 100 000 rings in an hour and a half. */
const IN_A_TURN = 40;
/** A turn begins no ring after this: one that lasts longer would cost the next its place. Milliseconds. */
const TURN_MS = 1_800;
/** From one ring to the next in a lane, at least. */
const EVERY_MS = (TURN_MS * LANES) / IN_A_TURN;
/** A lane rests for so many times as long as the database takes for one short question: slow, it has others to answer. */
const GIVES_WAY = 10;
/** Longer than a rotation lasts, its checks at their deadlines included; milliseconds. */
const LEASE = 120_000;
/** To others that were faster, one after the other: then it is for the next turn. */
const MOST_LEASES_LOST = 10;

/**
 * The ring that is due longest and that nobody has, leased. Replicas that come at once pass each other by.
 * @param now on the database's clock
 */
export async function leaseDueRing(db: Db, now: number): Promise<string | undefined> {
  const at = new Date(now).toISOString();
  for (let tried = 0; tried < MOST_LEASES_LOST; tried += 1) {
    const { rows } = await sql<{ ring: string | null }>`
      with due as (
        select id from rings r
        where next_rotation_at <= ${at}::timestamptz
          and not exists (select from rotation_leases l where l.ring = r.id and l.leased_until > ${at}::timestamptz)
        order by next_rotation_at limit 1 for no key update skip locked),
      leased as (
        insert into rotation_leases as lease (ring, leased_until)
        select id, ${new Date(now + LEASE).toISOString()}::timestamptz from due
        on conflict (ring) do update set leased_until = excluded.leased_until
          where lease.leased_until <= ${at}::timestamptz
        returning ring)
      select ring from due left join leased on true`.execute(db);
    const [row] = rows;
    // One was due, and somebody had it since this looked: the next look sees that, and what else is due.
    if (row?.ring !== null) return row?.ring;
  }
  return undefined;
}

/** How a process spreads its rings over a turn, so that callers beside them notice none. */
export interface Spread {
  /** No more rings are begun. */
  over(): boolean;
  /**
   * Rests after a ring.
   * @param began when that was begun, on the monotonic clock
   * @param answered how long the database took to say which it is; milliseconds
   */
  rest(began: number, answered: number): Promise<void>;
  now(): number;
}

/** @returns a spread over one turn, which begins now */
export function createSpread(clock: Pick<Clock, 'monotonic'>, sleep: (ms: number) => Promise<unknown> = delay): Spread {
  const until = clock.monotonic() + TURN_MS;
  const over = (): boolean => clock.monotonic() >= until;
  return {
    over,
    now: () => clock.monotonic(),
    rest: async (began, answered) => {
      const rest = Math.max(EVERY_MS - (clock.monotonic() - began), GIVES_WAY * answered);
      if (rest > 0 && !over()) await sleep(Math.min(TURN_MS, rest));
    },
  };
}

interface Turn {
  limit?: number;
  lanes?: number;
  stopped?: () => boolean;
  spread?: Spread;
}

/**
 * @param spread how rings follow each other; at once unless given
 * @param stopped no more rings are begun when it says so
 * @returns how many were rotated
 * @throws the first fault; its ring is looked at again when its lease ends, and the others were not held up
 */
export async function rotateDueRings(
  deps: RotateDeps,
  { limit = IN_A_TURN, lanes = LANES, stopped = () => false, spread }: Turn = {},
): Promise<number> {
  const actor: Actor = { ...SYSTEM, reason: 'planned' };
  const { db, readClock } = deps;
  // This process looks at what changed once, and not after every ring.
  const quiet = { ...deps, changed: async () => {} };
  let [begun, rotated] = [0, 0];
  const faults: unknown[] = [];
  if (!(await hasTable(db, 'rotation_leases'))) {
    for (const ring of await listDueRings(db, await readClock(db), limit))
      if (await rotateDue(quiet, ring, actor)) rotated += 1;
    await seeOwnChange(deps);
    return rotated;
  }
  const lane = async (): Promise<void> => {
    while (begun < limit && !stopped() && !spread?.over()) {
      begun += 1;
      const since = spread?.now() ?? 0;
      const ring = await leaseDueRing(db, await readClock(db));
      if (ring === undefined) return;
      const answered = (spread?.now() ?? 0) - since;
      try {
        if (await rotateDue(quiet, ring, actor)) rotated += 1;
        await db.deleteFrom('rotation_leases').where('ring', '=', ring).execute();
      } catch (error) {
        faults.push(error);
      }
      await spread?.rest(since, answered);
    }
  };
  // All of them are over before this is, whatever became of one.
  for (const end of await Promise.allSettled(Array.from({ length: lanes }, lane)))
    if (end.status === 'rejected') faults.push(end.reason);
  if (rotated > 0) await seeOwnChange(deps);
  if (faults.length > 0) throw faults[0];
  return rotated;
}

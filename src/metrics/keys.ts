// How old the keys in memory are, and which sign past their time: a look at every ring in small steps, so that a hundred thousand hold nobody up.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ring } from '../keys/facts.ts';
import type { LateRing } from '../keys/overdue.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import { activeKey, nextRotationAt, standbyKey } from '../keys/timeline.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Upper bounds of the histograms of ages, in seconds. */
export const AGE_BOUNDS = [60, 300, HOUR, DAY, 7 * DAY, 30 * DAY, 31 * DAY, 35 * DAY, 45 * DAY, 60 * DAY, 90 * DAY];

export interface Ages {
  count: number;
  /** Seconds; 0 where there is no such key. */
  oldest: number;
  /** How many are at most as old as the bound with the same index. */
  upTo: number[];
}

export interface KeyAges {
  /** Rings of issuers that are in use. */
  rings: number;
  active: Ages;
  standby: Ages;
  /** Rings whose active key signs past its planned time, those on hold too. */
  late: LateRing[];
}

/** Rings that are looked at in one turn of the event loop: about a millisecond. */
const STEP = 250;

function createAges(): Ages & { add(seconds: number): void } {
  const found = [...AGE_BOUNDS, Number.POSITIVE_INFINITY].map(() => 0);
  let oldest = 0;
  return {
    add: (seconds) => {
      const bound = AGE_BOUNDS.findIndex((limit) => seconds <= limit);
      const index = bound < 0 ? AGE_BOUNDS.length : bound;
      found[index] = (found[index] as number) + 1;
      oldest = Math.max(oldest, seconds);
    },
    get count() {
      return found.reduce((sum, number) => sum + number, 0);
    },
    get oldest() {
      return oldest;
    },
    get upTo() {
      let sum = 0;
      return AGE_BOUNDS.map((_bound, index) => (sum += found[index] as number));
    },
  };
}

/**
 * Ages of the active keys (since they sign) and of the standby ones (since they are published).
 * @param now on the database's clock, milliseconds since the epoch
 * @param policy none where it is not known yet: nothing is late then
 */
export async function measureKeyAges(
  all: Iterable<readonly Ring[]>,
  now: number,
  policy?: KeyPolicy,
): Promise<KeyAges> {
  const active = createAges();
  const standby = createAges();
  const late: LateRing[] = [];
  let rings = 0;
  let looked = 0;
  for (const ofIssuer of all) {
    for (const { id, keys, retired } of ofIssuer) {
      // The keys of a connection that was removed sign nothing any more, and nobody rotates them.
      if (retired) continue;
      rings += 1;
      const signsFrom = activeKey(keys, now)?.signsFrom;
      if (signsFrom !== undefined) active.add(Math.max(0, now - signsFrom) / 1000);
      const next = standbyKey(keys, now);
      if (!next) continue;
      standby.add(Math.max(0, now - next.publishedAt) / 1000);
      // Nearly all are within their period: no plan is reckoned for those.
      if (!policy || signsFrom === undefined || now <= signsFrom + policy.period) continue;
      const plannedAt = nextRotationAt({ signsFrom }, next, policy);
      if (plannedAt < now) late.push({ ring: id, plannedAt });
    }
    if (++looked % STEP === 0) await nextTurn();
  }
  return { rings, active, standby, late };
}

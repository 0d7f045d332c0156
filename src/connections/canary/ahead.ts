// Looks at standbys as soon as they are seasoned, long before they are to sign: an alarm then leaves time to replace one.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import type { Db } from '../../db/connect.ts';
import type { Check } from '../../keys/conditions.ts';
import { findRing, type Ring } from '../../keys/facts.ts';
import type { KeyPolicy } from '../../keys/policy.ts';
import { hasProofs } from '../../keys/proofs.ts';
import { seasonedAt, standbyKey } from '../../keys/timeline.ts';
import { listUnproved } from './store.ts';

export interface AheadDeps {
  db: Db;
  clock: Pick<Clock, 'monotonic'>;
  view: { all(): Iterable<readonly Ring[]>; now(): number; policy(): KeyPolicy };
  checkStandby: Check;
}

/** Issuers whose rings are read from memory in one turn, and in one step of it: about a millisecond. */
const ISSUERS = 5000;
const STEP = 250;
/** Kids in one question to the database. */
const PAGE = 1000;
const AT_ONCE = 4;
/** A turn begins no look after this, milliseconds: a stop waits for the last. */
const TURN_MS = 5000;

export interface Ahead {
  /** Goes on where the last turn ended. */
  turn(): Promise<void>;
}

export function createAhead({ db, clock, view, checkStandby }: AheadDeps): Ahead {
  let issuers: Iterator<readonly Ring[]> | undefined;
  /** Rings that are to be looked at. */
  const waiting: string[] = [];

  /** Kids of the next few thousand issuers' seasoned standbys; the round begins anew behind the last. */
  async function readStandbys(): Promise<string[]> {
    issuers ??= view.all()[Symbol.iterator]();
    const kids: string[] = [];
    for (let read = 1; read <= ISSUERS; read += 1) {
      const next = issuers.next();
      if (next.done) {
        issuers = undefined;
        break;
      }
      for (const { purpose, retired, keys } of next.value) {
        const standby = purpose === 'web_identity_token' && !retired ? standbyKey(keys, view.now()) : undefined;
        if (standby && seasonedAt(standby, view.policy()) <= view.now()) kids.push(standby.kid);
      }
      if (read % STEP === 0) await nextTurn();
    }
    return kids;
  }

  async function look(id: string): Promise<void> {
    const ring = await findRing(db, id);
    const standby = ring && standbyKey(ring.keys, view.now());
    if (!ring || !standby || ring.retired || (ring.heldUntil ?? 0) > view.now()) return;
    // The view does not know where keys are published as files.
    if (seasonedAt(standby, view.policy()) <= view.now()) await checkStandby(ring, standby);
  }

  return {
    turn: async () => {
      const began = clock.monotonic();
      if (!(await hasProofs(db))) return;
      if (waiting.length === 0) {
        const kids = await readStandbys();
        for (let at = 0; at < kids.length; at += PAGE)
          waiting.push(...(await listUnproved(db, kids.slice(at, at + PAGE))));
      }
      while (waiting.length > 0 && clock.monotonic() - began < TURN_MS)
        await Promise.all(waiting.splice(0, AT_ONCE).map(look));
    },
  };
}

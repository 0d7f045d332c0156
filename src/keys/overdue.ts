// Which planned rotation is late for longest: by facts, since the queue looks at what cannot rotate yet a minute later, and again.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { listKeysOfRings } from './facts.ts';
import { addPlacements } from './placements.ts';
import { readPolicy } from './policies.ts';
import { type KeyFacts, plannedAt } from './timeline.ts';

/** A ring whose active key signs past its planned time, as a view has it. */
export interface LateRing {
  ring: string;
  /** Milliseconds since the epoch. */
  plannedAt: number;
}

/** Rings that are looked at in one question. */
const PAGE = 250;

/** Those of them whose rotations nobody holds now. */
async function listUnheld(db: Db, rings: readonly string[], now: number): Promise<string[]> {
  const { rows } = await sql<{ ring: string; until: Date }>`
    select distinct on (ring) ring, until from holds where ring = any(${[...rings]}::text[])
    order by ring, seq desc`.execute(db);
  const held = new Set(rows.filter(({ until }) => until.getTime() > now).map(({ ring }) => ring));
  return rings.filter((ring) => !held.has(ring));
}

/** The keys of each ring, with their places where documents are published. */
async function listKeys(db: Db, rings: readonly string[]): Promise<KeyFacts[][]> {
  const found = await listKeysOfRings(db, rings);
  const placed = new Map(
    (
      await addPlacements(
        db,
        found.flatMap(({ keys }) => keys),
      )
    ).map((key) => [key.kid, key]),
  );
  return found.map(({ keys }) => keys.map((key) => placed.get(key.kid) ?? key));
}

/**
 * @param late by a view, which knows no holds and no places: what it takes for in time is in time
 * @returns since when the one that is late for longest is due; undefined where none is late. Milliseconds since the epoch
 */
export async function findOverdueSince(db: Db, late: readonly LateRing[], now: number): Promise<number | undefined> {
  const byPlan = late.toSorted((a, b) => a.plannedAt - b.plannedAt);
  let earliest = now;
  for (let from = 0; from < byPlan.length; from += PAGE) {
    const page = byPlan.slice(from, from + PAGE);
    // The facts can only say that it is due later than the view says.
    if (earliest <= (page[0] as LateRing).plannedAt) break;
    const rings = await listUnheld(
      db,
      page.map(({ ring }) => ring),
      now,
    );
    if (rings.length === 0) continue;
    const policy = await readPolicy(db, now);
    for (const keys of await listKeys(db, rings)) earliest = Math.min(earliest, plannedAt(keys, policy, now) ?? now);
  }
  return earliest < now ? earliest : undefined;
}

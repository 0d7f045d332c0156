// Static publishing as keys meet it: which targets have a key in place since when, and which no longer have it.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import type { KeyFacts } from './timeline.ts';

const OPEN = `publishing_targets t where not exists (select from publishing_ends e where e.target = t.id)`;

interface PlacementRow {
  kid: string;
  target: string;
  placed_at: Date | null;
}

/** With what is known of the keys' places, for those whose seasoning rests on it: standbys that were not born with their ring. */
export async function addPlacements<K extends KeyFacts>(db: Db, keys: K[]): Promise<K[]> {
  const kids = keys.filter((key) => key.seq === undefined && !key.bornWithRing).map((key) => key.kid);
  if (kids.length === 0 || !(await hasTable(db, 'placements'))) return keys;
  // The last time counts: where somebody put another document in its place, the key was not there until then.
  const { rows } = await sql<PlacementRow>`
    select k.kid, t.target,
           (select max(p.placed_at) from placements p where p.target = t.id and p.kid = k.kid) as placed_at
    from unnest(${kids}::text[]) as k (kid), ${sql.raw(OPEN)}
    order by t.target`.execute(db);
  const placement = (kid: string): KeyFacts['placement'] => {
    const places = rows.filter((row) => row.kid === kid);
    if (places.length === 0) return undefined;
    const lacking = places.find((row) => row.placed_at === null);
    if (lacking) return { lackedBy: lacking.target };
    return { placedAt: Math.max(...places.map((row) => (row.placed_at as Date).getTime())) };
  };
  return keys.map((key) => (kids.includes(key.kid) ? { ...key, placement: placement(key.kid) } : key));
}

/** The targets whose published copy may still hold this key: none, where publishing is off. */
export async function listTargetsWith(db: Db, kid: string): Promise<string[]> {
  if (!(await hasTable(db, 'placements'))) return [];
  const { rows } = await sql<{ target: string }>`
    select t.target from ${sql.raw(OPEN)}
      and not exists (select from withdrawals w where w.target = t.id and w.kid = ${kid})
    order by t.target`.execute(db);
  return rows.map((row) => row.target);
}

/**
 * Whether no published copy holds this revoked key any more, by the publishers' own records: until then, showing it to a
 * verifier proves nothing. True where publishing is off.
 */
export async function publishedWithout(db: Db, kid: string): Promise<boolean> {
  return (await listTargetsWith(db, kid)).length === 0;
}

// Reading the facts of rings: one ring whole, what changed since a view was taken, an issuer that a process has not met.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { Algorithm } from './algorithms.ts';
import { addPlacements } from './placements.ts';
import type { Purpose } from './policy.ts';
import { findHold, type ReadClock, RETIRED } from './store.ts';
import type { KeyFacts } from './timeline.ts';

export interface RingKey extends KeyFacts {
  public: Uint8Array;
}

export interface Ring {
  id: string;
  issuer: string;
  algorithm: Algorithm;
  purpose: Purpose;
  heldUntil?: number | undefined;
  /** Its issuer's connection was removed: the private halves are gone, and nobody rotates it. */
  retired?: boolean | undefined;
  keys: RingKey[];
}

const KEYS = `
  select k.kid, k.ring, k.published_at, k.born_with_ring, k.public,
         a.seq, a.signs_from, s.predecessor_removed_at, s.predecessor_destroyed_at, r.at as revoked_at
  from signing_keys k
  left join activations a on a.kid = k.kid
  left join activations s on s.ring = a.ring and s.seq = a.seq + 1
  left join revocations r on r.kid = k.kid`;

interface KeyRow {
  kid: string;
  ring: string;
  published_at: Date;
  born_with_ring: boolean;
  public: Buffer;
  seq: number | null;
  signs_from: Date | null;
  predecessor_removed_at: Date | null;
  predecessor_destroyed_at: Date | null;
  revoked_at: Date | null;
}

function toKey(row: KeyRow): RingKey {
  return {
    kid: row.kid,
    publishedAt: row.published_at.getTime(),
    bornWithRing: row.born_with_ring,
    public: row.public,
    seq: row.seq ?? undefined,
    signsFrom: row.signs_from?.getTime(),
    removedAt: row.predecessor_removed_at?.getTime(),
    destroyedAt: row.predecessor_destroyed_at?.getTime(),
    revokedAt: row.revoked_at?.getTime(),
  };
}

/** Every fact about one ring, oldest key first: for its timeline, and for decisions under its lock. */
export async function listRingKeys(db: Db, ring: string): Promise<RingKey[]> {
  const rows =
    await sql<KeyRow>`${sql.raw(KEYS)} where k.ring = ${ring} order by k.published_at, a.seq nulls last`.execute(db);
  return await addPlacements(db, rows.rows.map(toKey));
}

/** The same of many rings at once; one without keys is left out. */
export async function listKeysOfRings(db: Db, rings: readonly string[]): Promise<{ ring: string; keys: RingKey[] }[]> {
  const rows = await sql<KeyRow>`${sql.raw(KEYS)} where k.ring = any(${[...rings]}::text[])`.execute(db);
  const byRing = Map.groupBy(rows.rows, (row) => row.ring);
  return [...byRing].map(([ring, keys]) => ({ ring, keys: keys.map(toKey) }));
}

export async function findRing(db: Db, id: string): Promise<Ring | undefined> {
  const row = await db
    .selectFrom('rings')
    .select(['id', 'issuer', 'algorithm', 'purpose', RETIRED])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) return undefined;
  return { ...row, heldUntil: (await findHold(db, id))?.until, keys: await listRingKeys(db, id) };
}

export interface RingChanges {
  /** Transactions from this one on may not have been visible: the next read starts here. */
  horizon: string;
  /** The database's clock when it answered. */
  now: number;
  /** Whether the key that was asked about is there; true where none was. */
  knows: boolean;
}

const RING = `r.id, r.issuer, r.algorithm, r.purpose, r.next_rotation_at = 'infinity' as retired`;

interface RingRow {
  id: string;
  issuer: string;
  algorithm: Algorithm;
  purpose: Purpose;
  retired: boolean;
}

/** The rings with the keys that may be published at `now` or later. */
async function addPublishableKeys(db: Db, rows: readonly RingRow[], now: number): Promise<Ring[]> {
  if (rows.length === 0) return [];
  const keys = await sql<KeyRow>`
    ${sql.raw(KEYS)} where k.ring = any(${rows.map((row) => row.id)}::text[])
      and r.at is null and (s.predecessor_removed_at is null or s.predecessor_removed_at > ${new Date(now).toISOString()}::timestamptz)`.execute(
    db,
  );
  const byId = new Map<string, Ring>(rows.map((row) => [row.id, { ...row, keys: [] }]));
  // In one order everywhere: every replica then serves the same bytes, and what was read again is seen to be the same.
  const ordered = keys.rows.sort((a, b) => (a.kid < b.kid ? -1 : 1));
  for (const row of ordered) byId.get(row.ring)?.keys.push(toKey(row));
  return [...byId.values()];
}

/** Rings in one page of a read: as many as cost a few milliseconds to take in. */
const PAGE = 250;

/**
 * What changed since a horizon ('0' for everything), in one snapshot, page by page: nobody holds a million rows at once,
 * and no statement lasts as long as all of them. `newest` is the kid of a key that was read before: keys are never
 * deleted, so a database without it is an older one.
 */
export async function readChangedRings(
  db: Db,
  { horizon, newest }: { horizon: string; newest: string | undefined },
  clock: ReadClock,
  take: (ring: Ring) => void,
): Promise<RingChanges> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx) => {
      const now = await clock(trx);
      const snapshot = await sql<{ horizon: string; knows: boolean }>`
        select pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
               ${newest ?? null}::text is null or exists (select from signing_keys where kid = ${newest ?? null}) as knows`.execute(
        trx,
      );
      await sql`declare changed no scroll cursor for
        select ${sql.raw(RING)} from rings r where r.changed_xid >= ${sql.lit(horizon)}::xid8`.execute(trx);
      for (;;) {
        const page = await sql<RingRow>`fetch ${sql.lit(PAGE)} from changed`.execute(trx);
        for (const ring of await addPublishableKeys(trx, page.rows, now)) take(ring);
        if (page.rows.length < PAGE) break;
      }
      return { ...(snapshot.rows[0] as { horizon: string; knows: boolean }), now };
    });
}

/** The rings of one issuer, for an id that this process has not met. */
export async function listIssuerRings(db: Db, issuer: string, now: number): Promise<Ring[]> {
  return await listRingsOfIssuers(db, [issuer], now);
}

/** The same of several, those of one issuer side by side. */
export async function listRingsOfIssuers(db: Db, issuers: readonly string[], now: number): Promise<Ring[]> {
  const rings = await sql<RingRow>`
    select ${sql.raw(RING)} from rings r where r.issuer = any(${[...issuers]}::text[]) order by r.id`.execute(db);
  return await addPublishableKeys(db, rings.rows, now);
}

/** A key that an issuer ever published, whatever became of it. */
export async function findPublicKey(
  db: Db,
  issuer: string,
  kid: string,
): Promise<{ algorithm: Algorithm; public: Uint8Array } | undefined> {
  return await db
    .selectFrom('signing_keys')
    .innerJoin('rings', 'rings.id', 'signing_keys.ring')
    .select(['rings.algorithm', 'signing_keys.public'])
    .where('signing_keys.kid', '=', kid)
    .where('rings.issuer', '=', issuer)
    .executeTakeFirst();
}

/** A page of rings by id. */
export async function listRings(
  db: Db,
  after: string | undefined,
  limit: number,
): Promise<{ id: string; issuer: string; algorithm: Algorithm; purpose: Purpose }[]> {
  let query = db.selectFrom('rings').select(['id', 'issuer', 'algorithm', 'purpose']).orderBy('id').limit(limit);
  if (after !== undefined) query = query.where('id', '>', after);
  return await query.execute();
}

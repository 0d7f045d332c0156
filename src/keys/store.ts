// The SQL of rings: append-only facts, each written under the ring's row lock, times from the database's clock.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { Algorithm } from './algorithms.ts';
import type { Purpose } from './policy.ts';
import type { Ring } from './facts.ts';

export function ringId(issuer: string, algorithm: Algorithm): string {
  return `${issuer}:${algorithm}`;
}

/** Milliseconds since the epoch, as the database tells them: a parameter, so that tests can step it. */
export type ReadClock = (db: Db) => Promise<number>;

/** The database's own clock. */
export async function readClock(db: Db): Promise<number> {
  const result = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  return (result.rows[0] as { now: Date }).now.getTime();
}

export interface Hold {
  /** Milliseconds since the epoch. */
  until: number;
  at: number;
  reason: string;
  actor: string;
}

/** The latest word on whether rotations of a ring are held; one whose `until` has passed holds nothing. */
export async function findHold(db: Db, ring: string): Promise<Hold | undefined> {
  const hold = await db
    .selectFrom('holds')
    .select(['until', 'at', 'reason', 'actor'])
    .where('ring', '=', ring)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return hold && { ...hold, until: hold.until.getTime(), at: hold.at.getTime() };
}

/** One more word on whether rotations of a ring are held. */
export async function insertHold(trx: Transaction, hold: Hold & { ring: string }): Promise<void> {
  const last = await trx
    .selectFrom('holds')
    .select('seq')
    .where('ring', '=', hold.ring)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  await trx
    .insertInto('holds')
    .values({ ...hold, seq: (last?.seq ?? -1) + 1, until: new Date(hold.until), at: new Date(hold.at) })
    .execute();
}

/** Its issuer's connection was removed: nobody rotates it any more. */
export const RETIRED = sql<boolean>`next_rotation_at = 'infinity'::timestamptz`.as('retired');

/** Locks the ring and marks it as changed by this transaction; every fact about it is written after this. */
export async function lockRing(trx: Transaction, id: string): Promise<Omit<Ring, 'keys'> | undefined> {
  const row = await trx
    .updateTable('rings')
    .set({ changed_xid: sql`pg_current_xact_id()` })
    .where('id', '=', id)
    .returning(['id', 'issuer', 'algorithm', 'purpose', RETIRED])
    .executeTakeFirst();
  if (!row) return undefined;
  return { ...row, heldUntil: (await findHold(trx, id))?.until };
}

export interface KeyRow {
  kid: string;
  ring: string;
  at: number;
  bornWithRing: boolean;
  public: Buffer;
  kek: string;
  envelope: Buffer;
}

const toPublished = ({ kid, ring, at, bornWithRing, public: bytes }: KeyRow) => ({
  ...{ kid, ring, published_at: new Date(at), born_with_ring: bornWithRing, public: bytes },
});

const toWrapped = ({ kid, kek, envelope }: KeyRow) => ({ kid, kek, envelope, destroy_at: null });

export async function insertKey(trx: Transaction, key: KeyRow): Promise<void> {
  await trx.insertInto('signing_keys').values(toPublished(key)).execute();
  await trx.insertInto('private_keys').values(toWrapped(key)).execute();
}

export interface Activation {
  ring: string;
  seq: number;
  kid: string;
  at: number;
  predecessor?: { kid: string; removedAt: number; destroyedAt: number } | undefined;
  reason: string;
  actor: string;
}

function toActivated({ ring, seq, kid, at, predecessor, reason, actor }: Activation) {
  return {
    ...{ ring, seq, kid, reason, actor, signs_from: new Date(at) },
    predecessor_removed_at: predecessor ? new Date(predecessor.removedAt) : null,
    predecessor_destroyed_at: predecessor ? new Date(predecessor.destroyedAt) : null,
  };
}

export async function insertActivation(trx: Transaction, activation: Activation): Promise<void> {
  await trx.insertInto('activations').values(toActivated(activation)).execute();
  const { predecessor } = activation;
  if (predecessor) await setDestroyAt(trx, predecessor.kid, predecessor.destroyedAt);
}

/** A ring with its keys, the first of them active: one statement, because many rings are made beside other work. */
export async function insertRing(
  trx: Transaction,
  ring: { id: string; issuer: string; algorithm: Algorithm; purpose: Purpose; at: number; nextRotationAt: number },
  keys: readonly KeyRow[],
  activation: Activation,
): Promise<void> {
  const { id, issuer, algorithm, purpose, at, nextRotationAt } = ring;
  const times = { created_at: new Date(at), next_rotation_at: new Date(nextRotationAt) };
  await trx
    .with('ring', (query) => query.insertInto('rings').values({ id, issuer, algorithm, purpose, ...times }))
    .with('published', (query) => query.insertInto('signing_keys').values(keys.map(toPublished)))
    .with('wrapped', (query) => query.insertInto('private_keys').values(keys.map(toWrapped)))
    .insertInto('activations')
    .values(toActivated(activation))
    .execute();
}

export async function setDestroyAt(trx: Transaction, kid: string, at: number): Promise<void> {
  await trx
    .updateTable('private_keys')
    .set({ destroy_at: new Date(at) })
    .where('kid', '=', kid)
    .execute();
}

/** The same, but never later than it is. */
export async function hastenDestroyAt(trx: Transaction, kid: string, at: number): Promise<void> {
  await trx
    .updateTable('private_keys')
    .set({ destroy_at: sql`least(destroy_at, ${new Date(at).toISOString()}::timestamptz)` })
    .where('kid', '=', kid)
    .execute();
}

export async function insertRevocation(
  trx: Transaction,
  revocation: { kid: string; at: number; acceptedOutage: boolean; reason: string; actor: string },
): Promise<void> {
  const { kid, at, acceptedOutage, reason, actor } = revocation;
  await trx
    .insertInto('revocations')
    .values({ kid, at: new Date(at), accepted_outage: acceptedOutage, reason, actor })
    .execute();
}

export async function isRevoked(db: Db, kid: string): Promise<boolean> {
  return (await db.selectFrom('revocations').select('kid').where('kid', '=', kid).executeTakeFirst()) !== undefined;
}

/** A ring whose connection was removed meanwhile stays out of the queue. */
export async function setNextRotation(trx: Transaction, ring: string, at: number): Promise<void> {
  await trx
    .updateTable('rings')
    .set({ next_rotation_at: new Date(at) })
    .where('id', '=', ring)
    .where('next_rotation_at', '<', sql<Date>`'infinity'::timestamptz`)
    .execute();
}

/** Retires the rings of an issuer, waiting for whoever has them; what those published is then there to be deleted, too. */
export async function deletePrivateKeys(trx: Transaction, issuer: string): Promise<number> {
  await trx
    .updateTable('rings')
    .set({ changed_xid: sql`pg_current_xact_id()`, next_rotation_at: sql`'infinity'::timestamptz` })
    .where('issuer', '=', issuer)
    .execute();
  const deleted = await trx
    .deleteFrom('private_keys')
    .where('kid', 'in', (eb) =>
      eb
        .selectFrom('signing_keys')
        .innerJoin('rings', 'rings.id', 'signing_keys.ring')
        .select('signing_keys.kid')
        .where('rings.issuer', '=', issuer),
    )
    .executeTakeFirst();
  return Number(deleted.numDeletedRows);
}

/** Deletes private halves whose time has come; @returns their kids. */
export async function deleteDuePrivateKeys(db: Db, now: number, limit = 100): Promise<string[]> {
  const rows = await sql<{ kid: string }>`
    delete from private_keys where kid in (
      select kid from private_keys where destroy_at <= ${new Date(now).toISOString()}::timestamptz order by destroy_at limit ${limit} for update skip locked)
    returning kid`.execute(db);
  return rows.rows.map((row) => row.kid);
}

/**
 * Deletes what a rotation beside a disconnect left behind it in an older version: private halves of retired rings, which no
 * time was set for. A ring is retired for good, in the transaction that deletes its private halves: nothing waits for those,
 * and one that was revoked has its time. @returns their kids.
 */
export async function deleteRetiredPrivateKeys(db: Db, limit = 100): Promise<string[]> {
  const rows = await sql<{ kid: string }>`
    delete from private_keys where kid in (
      select p.kid from rings r join signing_keys k on k.ring = r.id join private_keys p on p.kid = k.kid
      where r.next_rotation_at = 'infinity' and p.destroy_at is null limit ${limit} for update of p skip locked)
    returning kid`.execute(db);
  return rows.rows.map((row) => row.kid);
}

/** How many rotations are due, ten thousand at most, and when the earliest planned one is; milliseconds since the epoch. */
export async function readRotationQueue(db: Db, now: number): Promise<{ due: number; earliest: number | undefined }> {
  const rows = await sql<{ due: number; earliest: Date | null }>`
    select (select count(*)::int from (select from rings where next_rotation_at <= ${new Date(now).toISOString()}::timestamptz limit 10000) due) as due,
           (select next_rotation_at from rings where next_rotation_at < 'infinity' order by next_rotation_at limit 1) as earliest`.execute(
    db,
  );
  const row = rows.rows[0] as { due: number; earliest: Date | null };
  return { due: row.due, earliest: row.earliest?.getTime() };
}

/** Rings that somebody should look at now, oldest first. */
export async function listDueRings(db: Db, now: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('rings')
    .select('id')
    .where('next_rotation_at', '<=', new Date(now))
    .orderBy('next_rotation_at')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

export async function findEnvelope(
  db: Db,
  kid: string,
): Promise<
  { id: string; algorithm: Algorithm; purpose: Purpose; public: Buffer; kek: string; envelope: Buffer } | undefined
> {
  return await db
    .selectFrom('private_keys')
    .innerJoin('signing_keys', 'signing_keys.kid', 'private_keys.kid')
    .innerJoin('rings', 'rings.id', 'signing_keys.ring')
    .select([
      'rings.id',
      'rings.algorithm',
      'rings.purpose',
      'signing_keys.public',
      'private_keys.kek',
      'private_keys.envelope',
    ])
    .where('private_keys.kid', '=', kid)
    .executeTakeFirst();
}

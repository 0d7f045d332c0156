// The SQL of keys that another system holds, and of where the next keys of a ring are made.
import { sql } from 'kysely';
import type { Db, Transaction } from '../../db/connect.ts';
import { hasTable } from '../../db/has-table.ts';
import type { HolderKind } from './holder.ts';

export interface HeldKey {
  name: string;
  signer: HolderKind;
}

export interface RingSigner {
  signer: 'local' | HolderKind;
  region: string | null;
}

export const hasHeldKeys = (db: Db): Promise<boolean> => hasTable(db, 'held_keys');

/** To be written before any row speaks of the key: one that none ever does is destroyed after a while. */
export async function insertHeldKey(db: Db, key: HeldKey & { kid: string; ring: string }): Promise<void> {
  const { name, signer, kid, ring } = key;
  await sql`insert into held_keys (name, signer, kid, ring, created_at)
    values (${name}, ${signer}, ${kid}, ${ring}, clock_timestamp())`.execute(db);
}

export async function findHeldKey(db: Db, kid: string): Promise<HeldKey | undefined> {
  if (!(await hasHeldKeys(db))) return undefined;
  const row = await db
    .selectFrom('held_keys')
    .select(['name', 'signer'])
    .where('kid', '=', kid)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row as HeldKey | undefined;
}

/**
 * Keys whose private half's row is gone, or never came within an hour. In no order: replicas that look at once seldom take the
 * same, and those that the other system will not destroy hold up no others.
 */
export async function listOrphans(db: Db, limit: number): Promise<HeldKey[]> {
  if (!(await hasHeldKeys(db))) return [];
  const { rows } = await sql<HeldKey>`
    select h.name, h.signer from held_keys h
    where h.deleted_at is null and h.created_at < clock_timestamp() - interval '1 hour'
      and not exists (select from private_keys p where p.kid = h.kid)
    order by random() limit ${limit}`.execute(db);
  return rows;
}

export async function setDeleted(db: Db, name: string): Promise<void> {
  await sql`update held_keys set deleted_at = clock_timestamp() where name = ${name}`.execute(db);
}

/** Where the next key of a ring is made: in the database unless somebody said otherwise. */
export async function findRingSigner(db: Db, ring: string): Promise<RingSigner> {
  const row = (await hasTable(db, 'ring_signers'))
    ? await db
        .selectFrom('ring_signers')
        .select(['signer', 'region'])
        .where('ring', '=', ring)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst()
    : undefined;
  return (row as RingSigner | undefined) ?? { signer: 'local', region: null };
}

export async function insertRingSigner(
  trx: Transaction,
  fact: RingSigner & { ring: string; reason: string; actor: string },
): Promise<void> {
  const { ring, signer, region, reason, actor } = fact;
  await sql`insert into ring_signers (ring, seq, signer, region, at, reason, actor)
    select ${ring}, coalesce(max(seq) + 1, 0), ${signer}, ${region}, clock_timestamp(), ${reason}, ${actor}
    from ring_signers where ring = ${ring}`.execute(trx);
}

export interface KeyPlace {
  kid: string;
  signer: 'local' | HolderKind;
  name: string | null;
}

/** Where each private half of a ring is that there still is. */
export async function listKeyPlaces(db: Db, ring: string): Promise<KeyPlace[]> {
  const held = (await hasHeldKeys(db))
    ? sql`held_keys`
    : sql`(select null::text as kid, null::text as name, null::text as signer)`;
  const { rows } = await sql<KeyPlace>`
    select p.kid, coalesce(h.signer, 'local') as signer, h.name from private_keys p
    join signing_keys k on k.kid = p.kid left join ${held} h on h.kid = p.kid
    where k.ring = ${ring} order by k.published_at, p.kid`.execute(db);
  return rows;
}

// The SQL of static publishing: targets, leases and passes, what is in place, and which issuers are to be looked at.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';

export interface TargetRow {
  id: string;
  target: string;
  at: Date;
  actor: string;
  reason: string;
  ended_at: Date | null;
  passed_at: Date | null;
  verified_at: Date | null;
  holder: string | null;
  leased_until: Date | null;
}

const selectTargets = (db: Db) =>
  db
    .selectFrom('publishing_targets as t')
    .leftJoin('publishing_ends as e', 'e.target', 't.id')
    .leftJoin('publishing_passes as p', 'p.target', 't.id')
    .select(['t.id', 't.target', 't.at', 't.actor', 't.reason', 'e.at as ended_at'])
    .select(['p.passed_at', 'p.verified_at', 'p.holder', 'p.leased_until']);

/** Newest first. */
export async function listTargets(db: Db, limit = 100): Promise<TargetRow[]> {
  return await selectTargets(db).orderBy('t.at', 'desc').orderBy('t.id').limit(limit).execute();
}

export async function findTarget(db: Db, id: string): Promise<TargetRow | undefined> {
  return await selectTargets(db).where('t.id', '=', id).executeTakeFirst();
}

/** @returns whether it is new: false where publishing to the same target is on. */
export async function insertTarget(
  trx: Transaction,
  { id, target, at, reason, actor }: { id: string; target: string; at: Date; reason: string; actor: string },
): Promise<boolean> {
  // Two at once count the same number, and one of them finds it taken.
  const { rows } = await sql`
    insert into publishing_targets (id, target, seq, at, reason, actor)
    select ${id}, ${target}, 1 + (select count(*) from publishing_targets where target = ${target}), ${at}, ${reason}, ${actor}
    where not exists (
      select from publishing_targets t where t.target = ${target}
        and not exists (select from publishing_ends e where e.target = t.id))
    on conflict (target, seq) do nothing returning id`.execute(trx);
  if (rows.length === 0) return false;
  await trx.insertInto('publishing_passes').values({ target: id }).execute();
  return true;
}

export async function insertEnd(
  trx: Transaction,
  end: { target: string; at: Date; reason: string; actor: string },
): Promise<void> {
  await trx
    .insertInto('publishing_ends')
    .values(end)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export interface PassRow {
  epoch: number;
  holder: string | null;
  leased_until: Date | null;
  since: string | null;
  verified_at: Date | null;
}

/** Locked, so that a lease and what is recorded under it are one after the other. */
export async function lockPass(trx: Transaction, target: string): Promise<PassRow> {
  return await trx
    .selectFrom('publishing_passes')
    .select(['epoch', 'holder', 'leased_until', 'since', 'verified_at'])
    .where('target', '=', target)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

export async function updatePass(
  trx: Transaction,
  target: string,
  change: Partial<PassRow & { passed_at: Date }>,
): Promise<void> {
  await trx.updateTable('publishing_passes').set(change).where('target', '=', target).execute();
}

/** Where a pass starts: transactions from `horizon` on may not have been seen, nor removals after `from`. */
export interface Since {
  horizon: string;
  from: number;
}

/** The oldest transaction that may not be visible yet. */
export async function readHorizon(db: Db): Promise<string> {
  const { rows } = await sql<{ horizon: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`.execute(db);
  return (rows[0] as { horizon: string }).horizon;
}

const time = (ms: number) => sql`${new Date(ms).toISOString()}::timestamptz`;

/** Issuers whose documents may be others than at `since`; every issuer, where that is undefined. */
const changed = (since: Since | undefined, now: number) =>
  since === undefined
    ? sql`select id as issuer from issuers`
    : sql`select r.issuer from rings r where r.changed_xid >= ${since.horizon}::xid8
          union
          select r.issuer from activations a join rings r on r.id = a.ring
          where a.predecessor_removed_at > ${time(since.from)} and a.predecessor_removed_at <= ${time(now)}`;

export async function listChangedIssuers(
  db: Db,
  page: { since: Since | undefined; now: number; after: string; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ issuer: string }>`
    select issuer from (${changed(page.since, page.now)}) c
    where issuer > ${page.after} order by issuer limit ${page.limit}`.execute(db);
  return rows.map((row) => row.issuer);
}

export async function countChangedIssuers(db: Db, since: Since | undefined, now: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (${changed(since, now)}) c`.execute(db);
  return rows[0]?.count ?? 0;
}

const REVOKED = sql`
  from revocations v join signing_keys k on k.kid = v.kid join rings r on r.id = k.ring`;

/** Issuers with a revoked key that may still be in place at a target. */
export async function listRevokedIssuers(db: Db, target: string, after: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ issuer: string }>`
    select distinct r.issuer ${REVOKED}
    where r.issuer > ${after} and not exists (select from withdrawals w where w.target = ${target} and w.kid = v.kid)
    order by r.issuer limit ${limit}`.execute(db);
  return rows.map((row) => row.issuer);
}

export interface PlacedDocument {
  issuer: string;
  document: 'jwks' | 'discovery';
  version: string;
  tag: string;
}

export async function listPlacedDocuments(
  db: Db,
  target: string,
  issuers: readonly string[],
): Promise<PlacedDocument[]> {
  return await db
    .selectFrom('placed_documents')
    .select(['issuer', 'document', 'version', 'tag'])
    .where('target', '=', target)
    .where('issuer', 'in', [...issuers])
    .execute();
}

export async function upsertPlacedDocuments(
  trx: Transaction,
  target: string,
  documents: readonly PlacedDocument[],
): Promise<void> {
  await trx
    .insertInto('placed_documents')
    .values(documents.map(({ issuer, document, version, tag }) => ({ target, issuer, document, version, tag })))
    .onConflict((conflict) =>
      conflict.columns(['target', 'issuer', 'document']).doUpdateSet((eb) => ({
        version: eb.ref('excluded.version'),
        tag: eb.ref('excluded.tag'),
      })),
    )
    .execute();
}

/** Keys of issuers, as they were found in documents. */
export interface Found {
  issuer: string;
  kid: string;
  /** Placed again, though there is a record of it. */
  anew: boolean;
}

/** How many of them are keys that these issuers ever had. */
export async function countKnown(db: Db, keys: readonly Found[]): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count
    from unnest(${keys.map((key) => key.issuer)}::text[], ${keys.map((key) => key.kid)}::text[]) as x (issuer, kid)
    join signing_keys k on k.kid = x.kid join rings r on r.id = k.ring and r.issuer = x.issuer`.execute(db);
  return rows[0]?.count ?? 0;
}

/** How many of these are issuers. */
export async function countIssuers(db: Db, issuers: ReadonlySet<string>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from issuers where id = any(${[...issuers]}::text[])`.execute(db);
  return rows[0]?.count ?? 0;
}

/** @returns those of which there was no record. */
export async function insertPlacements(
  trx: Transaction,
  target: string,
  keys: readonly Found[],
  at: number,
): Promise<string[]> {
  const { rows } = await sql<{ kid: string }>`
    insert into placements (target, kid, placed_at)
    select ${target}, x.kid, ${time(at)}
    from unnest(${keys.map((key) => key.kid)}::text[], ${keys.map((key) => key.anew)}::boolean[]) as x (kid, anew)
    where x.anew or not exists (select from placements p where p.target = ${target} and p.kid = x.kid)
    on conflict do nothing returning kid`.execute(trx);
  return rows.map((row) => row.kid);
}

/**
 * For issuers whose JWKS in place holds these keys and no other: the rest of their keys is gone from it, those that had
 * been placed there and those that are revoked.
 * @returns those of which there was no record.
 */
export async function insertWithdrawals(
  trx: Transaction,
  target: string,
  { issuers, kids }: { issuers: readonly string[]; kids: readonly string[] },
  at: number,
): Promise<string[]> {
  const { rows } = await sql<{ kid: string }>`
    insert into withdrawals (target, kid, withdrawn_at)
    select ${target}, k.kid, ${time(at)}
    from rings r join signing_keys k on k.ring = r.id
    where r.issuer = any(${[...issuers]}::text[]) and k.kid <> all(${[...kids]}::text[])
      and (exists (select from placements p where p.target = ${target} and p.kid = k.kid)
        or exists (select from revocations v where v.kid = k.kid))
    on conflict do nothing returning kid`.execute(trx);
  return rows.map((row) => row.kid);
}

/** What a scrape shows: the oldest of the open targets' last passes, and revoked keys that may still be in place. */
export async function readPublishing(db: Db): Promise<{ passedAt: number; revoked: number } | undefined> {
  if (!(await hasTable(db, 'publishing_targets'))) return undefined;
  const { rows } = await sql<{ passed_at: Date | null; revoked: number }>`
    with open as (
      select t.id, coalesce(p.passed_at, t.at) as passed_at
      from publishing_targets t join publishing_passes p on p.target = t.id
      where not exists (select from publishing_ends e where e.target = t.id))
    select min(passed_at) as passed_at,
           (select count(*)::int from (
              select from revocations v, open o
              where not exists (select from withdrawals w where w.target = o.id and w.kid = v.kid) limit 10000) x) as revoked
    from open`.execute(db);
  const { passed_at: passedAt, revoked } = rows[0] as { passed_at: Date | null; revoked: number };
  return passedAt === null ? undefined : { passedAt: passedAt.getTime(), revoked };
}

// The SQL of key-encryption keys: which one wraps, what each has wrapped, the lease of the work that moves rows.
import { sql } from 'kysely';
import type { Db, Transaction } from '../../db/connect.ts';
import { hasTable } from '../../db/has-table.ts';
import { HELD } from '../held/holder.ts';
import type { RingPlace } from '../rings.ts';

/** Which key-encryption key wraps, since when, and how far the rows have followed. */
export interface Choice {
  seq: number;
  kek: string;
  at: Date;
  reason: string;
  actor: string;
  trouble: string | null;
  finished_at: Date | null;
}

/** Whether the migration that knows of several key-encryption keys has run. */
export const hasChoices = (db: Db): Promise<boolean> => hasTable(db, 'kek_rotations');

/** Where that migration has run. */
export async function readChoice(db: Db): Promise<Choice | undefined> {
  return await db
    .selectFrom('kek_rotations')
    .select(['seq', 'kek', 'at', 'reason', 'actor', 'trouble', 'finished_at'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** @returns undefined where nothing was chosen yet, or the migration has not run */
export async function findChoice(db: Db): Promise<Choice | undefined> {
  return (await hasChoices(db)) ? await readChoice(db) : undefined;
}

/** The same for a private half that is about to be written: no other key is chosen until this transaction ends. */
export async function shareChoice(trx: Transaction): Promise<Choice | undefined> {
  await sql`lock table kek_rotations in row share mode`.execute(trx);
  return await readChoice(trx);
}

/** Waits for those who write private halves, and lets none begin until this transaction ends. */
export async function lockChoice(trx: Transaction): Promise<Choice | undefined> {
  await sql`lock table kek_rotations in exclusive mode`.execute(trx);
  return await readChoice(trx);
}

/** @param choice.finished whether there is nothing to move */
export async function insertChoice(
  trx: Transaction,
  choice: { seq: number; kek: string; reason: string; actor: string; finished: boolean },
): Promise<void> {
  const { seq, kek, reason, actor, finished } = choice;
  await sql`insert into kek_rotations (seq, kek, at, reason, actor, finished_at)
    values (${seq}, ${kek}, clock_timestamp(), ${reason}, ${actor}, ${finished ? sql`clock_timestamp()` : null})`.execute(
    trx,
  );
}

export async function finishChoice(trx: Transaction, seq: number): Promise<void> {
  await sql`update kek_rotations set finished_at = clock_timestamp(), trouble = null, worker = null
    where seq = ${seq}`.execute(trx);
}

export async function setTrouble(db: Db, seq: number, trouble: string | null): Promise<void> {
  await db.updateTable('kek_rotations').set({ trouble }).where('seq', '=', seq).execute();
}

/** @returns whether this worker moves the rows for the next `seconds`; a dead one's lease runs out */
export async function takeLease(db: Db, seq: number, worker: string, seconds: number): Promise<boolean> {
  const { rows } = await sql`
    update kek_rotations set worker = ${worker}, worker_until = clock_timestamp() + make_interval(secs => ${seconds})
    where seq = ${seq} and (worker is null or worker = ${worker} or worker_until < clock_timestamp())
    returning seq`.execute(db);
  return rows.length > 0;
}

/** Without those that another system holds. */
export async function countByKek(db: Db): Promise<{ kek: string; count: number }[]> {
  const { rows } = await sql<{ kek: string; count: number }>`
    select kek, count(*)::int as count from private_keys where kek <> ${HELD} group by kek order by kek`.execute(db);
  return rows;
}

/** Whether rows are wrapped by another key: from both ends of the index, whatever their number. */
export async function hasOthers(db: Db, kek: string): Promise<boolean> {
  const { rows } = await sql<{ least: string | null; most: string | null }>`
    select min(kek) as least, max(kek) as most from private_keys where kek <> ${HELD}`.execute(db);
  const { least, most } = rows[0] as { least: string | null; most: string | null };
  return (least ?? kek) !== kek || (most ?? kek) !== kek;
}

export interface KekProgress {
  /** Private halves under other keys than the one that wraps. */
  left: number;
  /** Something stands in the way of moving them. */
  troubled: boolean;
}

/** How far the rows have followed the choice of a key; undefined where nothing was ever chosen. For the metrics. */
export async function readKekProgress(db: Db): Promise<KekProgress | undefined> {
  const choice = await findChoice(db);
  if (!choice) return undefined;
  const troubled = choice.trouble !== null && choice.finished_at === null;
  if (!(await hasOthers(db, choice.kek))) return { left: 0, troubled };
  const counts = await countByKek(db);
  return { left: counts.reduce((sum, { kek, count }) => (kek === choice.kek ? sum : sum + count), 0), troubled };
}

export interface Wrapped extends RingPlace {
  kid: string;
  kek: string;
  envelope: Buffer;
}

/** Private halves that another key has wrapped, by kid. */
export async function listOthers(db: Db, kek: string, after: string, limit: number): Promise<Wrapped[]> {
  return await db
    .selectFrom('private_keys')
    .innerJoin('signing_keys', 'signing_keys.kid', 'private_keys.kid')
    .innerJoin('rings', 'rings.id', 'signing_keys.ring')
    .select(['private_keys.kid', 'private_keys.kek', 'private_keys.envelope'])
    .select(['rings.id', 'rings.algorithm', 'rings.purpose'])
    .where('private_keys.kek', 'not in', [kek, HELD])
    .where('private_keys.kid', '>', after)
    .orderBy('private_keys.kid')
    .limit(limit)
    .execute();
}

export interface Rewrapped {
  kid: string;
  before: Buffer;
  after: Buffer;
}

/** Replaces envelopes that are still what they were: a row that was deleted or written meanwhile is left alone. */
export async function replaceEnvelopes(db: Db, kek: string, rows: readonly Rewrapped[]): Promise<number> {
  const hex = (pick: 'before' | 'after'): string[] => rows.map((row) => row[pick].toString('hex'));
  const result = await sql`
    update private_keys p set kek = ${kek}, envelope = decode(n.after, 'hex')
    from (select unnest(${rows.map(({ kid }) => kid)}::text[]) as kid, unnest(${hex('before')}::text[]) as before,
                 unnest(${hex('after')}::text[]) as after) n
    where p.kid = n.kid and p.envelope = decode(n.before, 'hex')`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}

// The SQL of rotation runs: what was asked for, and how far each ring of it is.
import { sql } from 'kysely';
import type { Db, Transaction } from '../../db/connect.ts';
import type { RunSelection } from '../../db/rotation-types.ts';

/** Rings a minute, unless somebody says otherwise. */
export const RATE = 600;

export interface Run {
  id: string;
  selection: RunSelection;
  ratePerMinute: number;
  total: number;
  actor: string;
  as: string | undefined;
  reason: string;
  createdAt: number;
  endedAt: number | undefined;
  cancelledBy: string | undefined;
}

/** The rings in use that a selection means, made before `at`. */
function selected({ issuers, tenant, label, algorithm, purpose }: RunSelection, at: number) {
  const conditions = [
    sql`r.next_rotation_at < 'infinity'`,
    sql`r.created_at <= ${new Date(at).toISOString()}::timestamptz`,
    ...(issuers ? [sql`r.issuer = any(${issuers}::text[])`] : []),
    ...(algorithm ? [sql`r.algorithm = ${algorithm}`] : []),
    ...(purpose ? [sql`r.purpose = ${purpose}`] : []),
    ...(tenant === undefined
      ? []
      : [sql`exists (select from connections c where c.issuer = r.issuer and c.tenant = ${tenant})`]),
    ...(label === undefined
      ? []
      : [
          sql`exists (select from connections c where c.issuer = r.issuer and c.labels @> ${JSON.stringify(label)}::jsonb)`,
        ]),
  ];
  return sql.join(conditions, sql` and `);
}

export async function countSelected(trx: Transaction, selection: RunSelection, at: number): Promise<number> {
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from rings r where ${selected(selection, at)}`.execute(trx);
  return rows[0]?.n ?? 0;
}

export async function insertRun(trx: Transaction, run: Omit<Run, 'endedAt' | 'cancelledBy'>): Promise<void> {
  await trx
    .insertInto('rotation_runs')
    .values({
      ...{ id: run.id, selection: JSON.stringify(run.selection), rate_per_minute: run.ratePerMinute },
      ...{ total: run.total, actor: run.actor, actor_as: run.as ?? null, reason: run.reason },
      ...{ created_at: new Date(run.createdAt), next_at: new Date(run.createdAt), listed: '' },
      ...{ ended_at: null, cancelled_by: null },
    })
    .execute();
}

/** Writes down the next rings of a run. @returns the last of them; null when there are no more */
export async function listMoreRings(trx: Transaction, run: Run, after: string, limit: number): Promise<string | null> {
  const { rows } = await sql<{ ring: string }>`
    insert into rotation_run_rings (run, ring, state, next_at)
    select ${run.id}, r.id, 'waiting', ${new Date(run.createdAt).toISOString()}::timestamptz from rings r
    where r.id > ${after} and ${selected(run.selection, run.createdAt)} order by r.id limit ${limit}
    returning ring`.execute(trx);
  const last =
    rows
      .map(({ ring }) => ring)
      .sort()
      .at(-1) ?? null;
  await trx
    .updateTable('rotation_runs')
    .set({ listed: rows.length < limit ? null : last })
    .where('id', '=', run.id)
    .execute();
  return rows.length < limit ? null : last;
}

const RUN = [
  'id',
  'selection',
  'rate_per_minute',
  'total',
  'actor',
  'actor_as',
  'reason',
  'created_at',
  'ended_at',
  'cancelled_by',
] as const;

interface RunRow {
  id: string;
  selection: RunSelection;
  rate_per_minute: number;
  total: number;
  actor: string;
  actor_as: string | null;
  reason: string;
  created_at: Date;
  ended_at: Date | null;
  cancelled_by: string | null;
}

function toRun(row: RunRow): Run {
  return {
    ...{ id: row.id, selection: row.selection, ratePerMinute: row.rate_per_minute, total: row.total },
    ...{ actor: row.actor, as: row.actor_as ?? undefined, reason: row.reason },
    ...{ createdAt: row.created_at.getTime(), endedAt: row.ended_at?.getTime() },
    cancelledBy: row.cancelled_by ?? undefined,
  };
}

export async function findRun(db: Db, id: string): Promise<Run | undefined> {
  const row = await db.selectFrom('rotation_runs').select(RUN).where('id', '=', id).executeTakeFirst();
  return row && toRun(row);
}

/** Newest first. */
export async function listRuns(db: Db, before: [at: string, id: string] | undefined, limit: number): Promise<Run[]> {
  let query = db
    .selectFrom('rotation_runs')
    .select(RUN)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  if (before) query = query.where(sql<boolean>`(created_at, id) < (${before[0]}::timestamptz, ${before[1]})`);
  return (await query.execute()).map(toRun);
}

/** The run that may begin a ring now, locked; another replica's is passed by. */
export async function lockOpenRun(
  trx: Transaction,
  now: number,
): Promise<(Run & { nextAt: number; listed: string | null }) | undefined> {
  const row = await trx
    .selectFrom('rotation_runs')
    .select([...RUN, 'next_at', 'listed'])
    .where('ended_at', 'is', null)
    .where('next_at', '<=', new Date(now))
    .orderBy('next_at')
    .limit(1)
    .forNoKeyUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row && { ...toRun(row), nextAt: row.next_at.getTime(), listed: row.listed };
}

/** Whether a run goes on: not once it was cancelled. */
export async function isRunOpen(trx: Transaction, id: string): Promise<boolean> {
  const row = await trx.selectFrom('rotation_runs').select('ended_at').where('id', '=', id).executeTakeFirst();
  return row?.ended_at === null;
}

export async function updateRun(
  trx: Transaction,
  id: string,
  change: { nextAt: number } | { endedAt: number },
): Promise<void> {
  await trx
    .updateTable('rotation_runs')
    .set('nextAt' in change ? { next_at: new Date(change.nextAt) } : { ended_at: new Date(change.endedAt) })
    .where('id', '=', id)
    .execute();
}

/** @returns false where it had ended already */
export async function cancelRun(trx: Transaction, id: string, at: number, by: string): Promise<boolean> {
  const row = await trx
    .updateTable('rotation_runs')
    .set({ ended_at: new Date(at), cancelled_by: by })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** The ring of a run that waits longest and may be looked at; its row is the lease, until `leasedUntil`. */
export async function leaseRing(
  trx: Transaction,
  run: string,
  now: number,
  leasedUntil: number,
): Promise<{ ring: string; attempts: number } | undefined> {
  const { rows } = await sql<{ ring: string; attempts: number }>`
    update rotation_run_rings set next_at = ${new Date(leasedUntil).toISOString()}::timestamptz, attempts = attempts + 1
    where run = ${run} and ring = (
      select ring from rotation_run_rings
      where run = ${run} and state = 'waiting' and next_at <= ${new Date(now).toISOString()}::timestamptz
      order by next_at, ring limit 1)
    returning ring, attempts`.execute(trx);
  return rows[0];
}

/** When the next waiting ring of a run may be looked at; undefined where none waits. */
export async function nextWaiting(trx: Transaction, run: string): Promise<number | undefined> {
  const row = await trx
    .selectFrom('rotation_run_rings')
    .select('next_at')
    .where('run', '=', run)
    .where('state', '=', 'waiting')
    .orderBy('next_at')
    .limit(1)
    .executeTakeFirst();
  return row?.next_at.getTime();
}

export async function updateRunRing(
  db: Db,
  { run, ring }: { run: string; ring: string },
  change: {
    state: 'waiting' | 'done' | 'failed';
    nextAt?: number;
    code?: string;
    detail?: string;
    kid?: string;
  },
): Promise<void> {
  await db
    .updateTable('rotation_run_rings')
    .set({
      state: change.state,
      ...(change.nextAt === undefined ? {} : { next_at: new Date(change.nextAt) }),
      ...{ code: change.code ?? null, detail: change.detail ?? null, kid: change.kid ?? null },
    })
    .where('run', '=', run)
    .where('ring', '=', ring)
    .where('state', '=', 'waiting')
    .execute();
}

export interface Tally {
  state: 'waiting' | 'done' | 'failed';
  code: string | undefined;
  count: number;
  /** When the first of them is looked at; milliseconds since the epoch. */
  next: number;
}

export async function tallyRun(db: Db, run: string): Promise<Tally[]> {
  const { rows } = await sql<{ state: Tally['state']; code: string | null; count: number; next: Date }>`
    select state, code, count(*)::int as count, min(next_at) as next from rotation_run_rings
    where run = ${run} group by state, code order by state, code`.execute(db);
  return rows.map((row) => ({ ...row, code: row.code ?? undefined, next: row.next.getTime() }));
}

export async function listFailed(
  db: Db,
  run: string,
  limit: number,
): Promise<{ ring: string; code: string; detail: string }[]> {
  const rows = await db
    .selectFrom('rotation_run_rings')
    .select(['ring', 'code', 'detail'])
    .where('run', '=', run)
    .where('state', '=', 'failed')
    .orderBy('ring')
    .limit(limit)
    .execute();
  return rows.map(({ ring, code, detail }) => ({ ring, code: code ?? '', detail: detail ?? '' }));
}

/** A ring is let go on: runs that wait for it look at once. */
export async function wakeRing(trx: Transaction, ring: string, now: number): Promise<void> {
  const at = new Date(now).toISOString();
  await sql`update rotation_run_rings set next_at = ${at}::timestamptz where ring = ${ring} and state = 'waiting' and code = 'ring_held'`.execute(
    trx,
  );
  await sql`update rotation_runs set next_at = least(next_at, ${at}::timestamptz) where ended_at is null
    and id in (select run from rotation_run_rings where ring = ${ring} and state = 'waiting')`.execute(trx);
}

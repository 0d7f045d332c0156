// Rows of verifications: the queue of connections that STS is asked about, leased by whoever asks.
import { sql } from 'kysely';
import type { Db, Transaction } from '../../db/connect.ts';

/** From now on, as if for the first time; a lease that somebody holds stays theirs. */
export async function startVerification(trx: Transaction, connection: string): Promise<void> {
  await sql`
    insert into verifications (connection, started_at, next_at) values (${connection}, now(), now())
    on conflict (connection) do update set started_at = now(), next_at = now(), attempts = 0`.execute(trx);
}

/** The same where what is asked has changed: nobody holds a lease any more, so that an answer to the old question is too late. */
export async function restartVerification(trx: Transaction, connection: string): Promise<void> {
  await startVerification(trx, connection);
  await trx.updateTable('verifications').set({ leased_until: null }).where('connection', '=', connection).execute();
}

export async function deleteVerification(trx: Transaction, connection: string): Promise<void> {
  await trx.deleteFrom('verifications').where('connection', '=', connection).execute();
}

/** How many connections STS is being asked about; a hundred thousand at most. */
export async function countVerifications(db: Db): Promise<number> {
  const { rows } = await sql<{ pending: number }>`
    select count(*)::int as pending from (select from verifications limit 100000) pending_ones`.execute(db);
  return rows[0]?.pending ?? 0;
}

/**
 * Leases what is due. Rows that another process is leasing at this moment are skipped, not waited for.
 * @returns ids of connections.
 */
export async function leaseDue(db: Db, lease: { now: Date; until: Date; limit: number }): Promise<string[]> {
  const { now, until, limit } = lease;
  const { rows } = await sql<{ connection: string }>`
    update verifications set leased_until = ${until.toISOString()}::timestamptz
    where connection in (
      select connection from verifications
      where next_at <= ${now.toISOString()}::timestamptz
        and (leased_until is null or leased_until <= ${now.toISOString()}::timestamptz)
      order by next_at limit ${limit} for update skip locked)
    returning connection`.execute(db);
  return rows.map((row) => row.connection);
}

/** Gives a lease back unused: whoever looks next may have it. */
export async function releaseLease(db: Db, connection: string, until: Date): Promise<void> {
  await db
    .updateTable('verifications')
    .set({ leased_until: null })
    .where((eb) => eb.and({ connection, leased_until: until }))
    .execute();
}

/**
 * When this verification began, if this lease on it still stands; another lease, or none, means that the answer is too late.
 * The connection's row is locked.
 */
export async function findLeased(trx: Transaction, connection: string, until: Date): Promise<Date | undefined> {
  const row = await trx
    .selectFrom('verifications')
    .select('started_at')
    .where('connection', '=', connection)
    .where('leased_until', '=', until)
    .executeTakeFirst();
  return row?.started_at;
}

/** Notes a failure and gives the lease back. */
export async function postponeVerification(
  trx: Transaction,
  connection: string,
  failure: { nextAt: Date; code: string; detail: string },
): Promise<void> {
  await trx
    .updateTable('verifications')
    .set((eb) => ({
      ...{ attempts: eb('attempts', '+', 1), next_at: failure.nextAt, leased_until: null },
      ...{ last_code: failure.code, last_detail: failure.detail },
    }))
    .where('connection', '=', connection)
    .execute();
}

// Rows of revocation_proofs: the queue of revoked keys that STS is shown canaries of, leased by whoever does it.
import { sql } from 'kysely';
import type { Db, Transaction } from '../../db/connect.ts';

const time = (ms: number) => sql`${new Date(ms).toISOString()}::timestamptz`;

/** Queues what was revoked and is not queued yet: keys that STS is shown, with a private half that is still there. */
export async function queueRevocations(db: Db, now: number): Promise<number> {
  const queued = await sql`
    insert into revocation_proofs (kid, started_at, next_at)
    select r.kid, ${time(now)}, ${time(now)}
    from private_keys p
    join revocations r on r.kid = p.kid
    join signing_keys k on k.kid = p.kid
    join rings g on g.id = k.ring and g.purpose = 'web_identity_token'
    where p.destroy_at > ${time(now)} and not exists (select from revocation_proofs q where q.kid = p.kid)
    limit 1000
    on conflict (kid) do nothing`.execute(db);
  return Number(queued.numAffectedRows ?? 0n);
}

/** @returns kids; rows that another process is leasing at this moment are skipped, not waited for. */
export async function leaseProofs(db: Db, lease: { now: number; until: number; limit: number }): Promise<string[]> {
  const { now, until, limit } = lease;
  const { rows } = await sql<{ kid: string }>`
    update revocation_proofs set leased_until = ${time(until)}
    where kid in (
      select kid from revocation_proofs
      where ended_at is null and next_at <= ${time(now)} and (leased_until is null or leased_until <= ${time(now)})
      order by next_at limit ${limit} for update skip locked)
    returning kid`.execute(db);
  return rows.map((row) => row.kid);
}

export interface ProofFacts {
  kid: string;
  ring: string;
  revokedAt: number;
  startedAt: number;
  /** Undefined where the private half is gone. */
  destroyAt: number | undefined;
}

export async function findProofFacts(db: Db, kid: string): Promise<ProofFacts | undefined> {
  const row = await db
    .selectFrom('revocation_proofs as q')
    .innerJoin('revocations as r', 'r.kid', 'q.kid')
    .innerJoin('signing_keys as k', 'k.kid', 'q.kid')
    .leftJoin('private_keys as p', 'p.kid', 'q.kid')
    .select(['q.kid', 'k.ring', 'r.at', 'q.started_at', 'p.destroy_at'])
    .where('q.kid', '=', kid)
    .executeTakeFirst();
  if (!row) return undefined;
  const { ring, at, started_at, destroy_at } = row;
  return {
    ...{ kid, ring, revokedAt: at.getTime(), startedAt: started_at.getTime() },
    destroyAt: destroy_at?.getTime(),
  };
}

/** Whether this lease still stands; its row is then locked. Another lease, or none: the answer came too late. */
export async function lockLeased(trx: Transaction, kid: string, until: number): Promise<boolean> {
  const row = await trx
    .selectFrom('revocation_proofs')
    .select('kid')
    .where('kid', '=', kid)
    .where('leased_until', '=', new Date(until))
    .where('ended_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives the lease back: STS is asked next at `at`. */
export async function postponeProof(trx: Transaction, kid: string, at: number): Promise<void> {
  await trx
    .updateTable('revocation_proofs')
    .set({ next_at: new Date(at), leased_until: null })
    .where('kid', '=', kid)
    .execute();
}

/** From its commit the key signs no canary any more. */
export async function endProof(trx: Transaction, kid: string, at: number, outcome: string): Promise<void> {
  await trx
    .updateTable('revocation_proofs')
    .set({ ended_at: new Date(at), leased_until: null, outcome })
    .where('kid', '=', kid)
    .execute();
}

export async function deletePrivateKey(trx: Transaction, kid: string): Promise<void> {
  await trx.deleteFrom('private_keys').where('kid', '=', kid).execute();
}

/**
 * Of these standbys those whose connection works, and of which STS was not asked yet or said no: they are asked about.
 * @returns ids of their rings
 */
export async function listUnproved(db: Db, kids: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ ring: string }>`
    select k.ring
    from signing_keys k
    join rings r on r.id = k.ring
    where k.kid = any(${kids}::text[])
      and exists (select from connections c join aws_connections a on a.connection = c.id
                  where c.issuer = r.issuer and c.state in ('active', 'degraded') and a.role_id is not null)
      and coalesce((select l.outcome from canaries l where l.kid = k.kid and l.about = 'standby'
                    order by l.at desc limit 1), 'refused') = 'refused'`.execute(db);
  return rows.map(({ ring }) => ring);
}

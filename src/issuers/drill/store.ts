// The SQL of drills: which issuers are scratch, and what is left of them.
import { sql } from 'kysely';
import type { Db } from '../../db/connect.ts';

/** Every mint reads its issuer from a connection's row, in the transaction of which the issuer is made: these have none. */
const SCRATCH = sql`i.kind = 'connection' and not exists (select from connections c where c.issuer = i.id)`;

export async function isScratch(db: Db, issuer: string): Promise<boolean> {
  const { rows } = await sql`select from issuers i where i.id = ${issuer} and ${SCRATCH}`.execute(db);
  return rows.length > 0;
}

export async function countPrivateHalves(db: Db, issuer: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from private_keys p join signing_keys k on k.kid = p.kid join rings r on r.id = k.ring
    where r.issuer = ${issuer}`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Drills that nobody ended: the command was interrupted. */
export async function listForgotten(db: Db, before: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select i.id from rings r join issuers i on i.id = r.issuer
    where r.next_rotation_at < 'infinity' and r.created_at < ${new Date(before).toISOString()}::timestamptz and ${SCRATCH}
    limit 20`.execute(db);
  return rows.map((row) => row.id);
}

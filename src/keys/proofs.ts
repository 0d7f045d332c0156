// The SQL of proofs: what STS said to canaries, and which revocations are being proved.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import { type Canary, LOOKS, type RevocationStanding, revocationStanding } from './canaries.ts';

/** Whether the migration that makes room for proofs has run; without it rotations go by the clock. */
export function hasProofs(db: Db): Promise<boolean> {
  return hasTable(db, 'canaries');
}

const MOST = 1000;

/** The looks at these keys, oldest first; the newest thousand. */
export async function listCanaries(db: Db, kids: readonly string[]): Promise<Canary[]> {
  const rows = await db
    .selectFrom('canaries')
    .selectAll()
    .where('kid', 'in', [...kids])
    .orderBy('at', 'desc')
    .limit(MOST)
    .execute();
  return rows.reverse().map(({ request_id: requestId, code, at, ...row }) => ({
    ...row,
    at: at.getTime(),
    code: code ?? undefined,
    requestId: requestId ?? undefined,
  }));
}

export async function insertCanary(trx: Transaction, canary: Canary): Promise<void> {
  const { requestId, at, code, ...row } = canary;
  await trx
    .insertInto('canaries')
    .values({ ...row, at: new Date(at), code: code ?? null, request_id: requestId ?? null })
    .execute();
}

/**
 * Whether a revoked key may still sign canaries: its revocation is being proved, and its private half's time has not come.
 */
export async function mayProveRevocation(db: Db, ring: string, kid: string, now: number): Promise<boolean> {
  if (!(await hasProofs(db))) return false;
  const row = await db
    .selectFrom('revocation_proofs')
    .innerJoin('private_keys', 'private_keys.kid', 'revocation_proofs.kid')
    .innerJoin('signing_keys', 'signing_keys.kid', 'revocation_proofs.kid')
    .select('revocation_proofs.kid')
    .where('revocation_proofs.kid', '=', kid)
    .where('ring', '=', ring)
    .where('ended_at', 'is', null)
    .where('destroy_at', '>', new Date(now))
    .executeTakeFirst();
  return row !== undefined;
}

/** What is known of a key's proof, to be shown. */
export interface KeyProof {
  about: Canary['about'];
  outcome: 'accepted' | 'refused' | 'unclear' | 'under_way' | 'proved' | 'unproved';
  /** Of the newest look, or the end of the proof. */
  at: number;
  /** AWS's code of the newest look, or why a revocation could not be proved. */
  code?: string | undefined;
  requestId?: string | undefined;
  looks: number;
  standing?: RevocationStanding | undefined;
}

async function listRevocationProofs(db: Db, kids: readonly string[]): Promise<Map<string, KeyProof>> {
  const rows = await db
    .selectFrom('revocation_proofs')
    .selectAll()
    .where('kid', 'in', [...kids])
    .execute();
  return new Map(
    rows.map(({ kid, outcome, ended_at, started_at }) => [
      kid,
      {
        ...{ about: 'revocation' as const, looks: 0, at: (ended_at ?? started_at).getTime() },
        outcome: ended_at === null ? 'under_way' : outcome === 'proved' ? 'proved' : 'unproved',
        code: outcome === null || outcome === 'proved' ? undefined : outcome,
      },
    ]),
  );
}

/** By kid; keys that nothing was asked about are left out. */
export async function listKeyProofs(db: Db, kids: readonly string[]): Promise<Map<string, KeyProof>> {
  if (kids.length === 0 || !(await hasProofs(db))) return new Map();
  const proofs = await listRevocationProofs(db, kids);
  const byKid = Map.groupBy(await listCanaries(db, kids), ({ kid, about }) => `${kid} ${about}`);
  for (const kid of kids) {
    const standby = byKid.get(`${kid} standby`) ?? [];
    const revoked = byKid.get(`${kid} revocation`) ?? [];
    const proof = proofs.get(kid);
    const newest = standby.at(-1);
    if (proof) proofs.set(kid, { ...proof, looks: revoked.length, standing: revocationStanding(revoked) });
    else if (newest) {
      const { about, outcome, at, code, requestId } = newest;
      proofs.set(kid, { about, outcome, at, code, requestId, looks: standby.length });
    }
  }
  return proofs;
}

/** What is proved at STS; times are milliseconds since the epoch. */
export interface ProofCounts {
  /** Rings whose standby STS refuses, and since when the key that signs in the eldest of them signs. */
  refused: number;
  oldestSignsFrom: number | undefined;
  /** Revocations that are not proved yet. */
  underWay: number;
}

/** For the metrics: a few rows, found by indexes of what is refused and of what is under way. */
export async function countProofs(db: Db): Promise<ProofCounts | undefined> {
  if (!(await hasProofs(db))) return undefined;
  const { rows } = await sql<{ refused: number; oldest: Date | null; under_way: number }>`
    select count(*)::int as refused, min(s.signs_from) as oldest,
           (select count(*)::int from revocation_proofs where ended_at is null) as under_way
    from (select kid from canaries where about = 'standby' and outcome = 'refused' group by kid having count(*) >= ${LOOKS}) c
    join signing_keys k on k.kid = c.kid
    join rings r on r.id = k.ring and r.next_rotation_at < 'infinity'
    join lateral (select a.signs_from from activations a where a.ring = k.ring order by a.seq desc limit 1) s on true
    where not exists (select from activations a where a.kid = k.kid)
      and not exists (select from revocations v where v.kid = k.kid)
      and (select l.outcome from canaries l where l.kid = k.kid and l.about = 'standby' and l.outcome <> 'unclear'
           order by l.at desc limit 1) = 'refused'`.execute(db);
  const row = rows[0] as { refused: number; oldest: Date | null; under_way: number };
  return { refused: row.refused, oldestSignsFrom: row.oldest?.getTime(), underWay: row.under_way };
}

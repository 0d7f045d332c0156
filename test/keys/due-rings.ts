// Rings that are due, as many as a test of the queue wants.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';

/** Rings with public halves of their own, due one after the other. */
export async function insertRings(db: Db, count: number): Promise<void> {
  await sql`insert into issuers (id, kind) select 'i' || n, 'connection' from generate_series(1, ${count}::int) n`.execute(
    db,
  );
  await sql`insert into rings (id, issuer, algorithm, purpose, created_at, next_rotation_at)
    select 'r' || lpad(n::text, 6, '0'), 'i' || n, 'ES256', 'web_identity_token', p.created_at,
      p.created_at + interval '60 seconds' + n * interval '1 millisecond'
    from rings p, generate_series(1, ${count}::int) n where p.id = 'platform:ES256'`.execute(db);
  await sql`insert into signing_keys (kid, ring, published_at, born_with_ring, public)
    select r.id || k, r.id, r.created_at, true, '' from rings r, (values ('a'), ('b')) keys (k) where r.id like 'r0%'`.execute(
    db,
  );
  await sql`insert into activations (ring, seq, kid, signs_from, reason, actor)
    select id, 0, id || 'a', created_at, 'born', 'system' from rings where id like 'r0%'`.execute(db);
}

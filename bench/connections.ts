// Connections by the hundred thousand, straight into the database: real rings for those that will be asked.
import { sql } from 'kysely';
import { SYSTEM } from '../src/audit/act.ts';
import type { Db } from '../src/db/connect.ts';
import type { Kek } from '../src/keys/encrypt.ts';
import { createKeyring } from '../src/keys/keyring/keyring.ts';
import { createRings, type PreparedRing } from '../src/keys/rings.ts';
import { readClock } from '../src/keys/store.ts';

/** Lower-case base32 from a digest: the shape of our ids, reproducible in SQL. */
const id = (prefix: string, n: ReturnType<typeof sql>) =>
  sql`${prefix} || '_' || translate(substr(md5(${prefix} || ${n}), 1, 26), '0189', 'ghij')`;

const N = sql`n::text`;
const CONNECTION = id('cn', N);
const ISSUER = id('is', N);

/** Facts as real ones look, with keys that nobody has: for rings that are never asked to sign. */
export async function insertHollowRings(db: Db, from: number, to: number, kek: Kek): Promise<void> {
  const series = sql`generate_series(${from}::int, ${to}::int) n`;
  const kid = (key: number) =>
    sql`translate(rtrim(encode(sha256(('kid' || n || '.' || ${sql.lit(key)})::bytea), 'base64'), '='), '+/', '-_')`;
  const ring = sql`${ISSUER} || ':ES256'`;
  await sql`insert into issuers (id, kind) select ${ISSUER}, 'connection' from ${series}`.execute(db);
  await sql`insert into rings (id, issuer, algorithm, purpose, created_at, next_rotation_at)
    select ${ring}, ${ISSUER}, 'ES256', 'web_identity_token', now(), now() + interval '30 days' from ${series}`.execute(
    db,
  );
  for (const key of [0, 1]) {
    await sql`insert into signing_keys (kid, ring, published_at, born_with_ring, public)
      select ${kid(key)}, ${ring}, now(), true, sha256(('x' || n)::bytea) || sha256(('y' || n)::bytea) from ${series}`.execute(
      db,
    );
    await sql`insert into private_keys (kid, kek, envelope)
      select ${kid(key)}, ${kek.id}, decode(repeat(md5(n::text), 14), 'hex') from ${series}`.execute(db);
  }
  await sql`insert into activations (ring, seq, kid, signs_from, reason, actor)
    select ${ring}, 0, ${kid(0)}, now(), 'born with the ring', 'system' from ${series}`.execute(db);
}

async function insertRealRings(db: Db, count: number, kek: Kek): Promise<void> {
  const rings = createRings({ db, keyring: createKeyring([kek]), readClock });
  const prepared: PreparedRing[] = [];
  const { rows } = await sql<{ id: string }>`select ${ISSUER} as id from generate_series(1, ${count}::int) n`.execute(
    db,
  );
  for (const { id: issuer } of rows)
    prepared.push(await rings.prepare({ issuer, algorithm: 'ES256', purpose: 'web_identity_token' }));
  await db.transaction().execute(async (trx) => {
    for (const ring of prepared) {
      await sql`insert into issuers (id, kind) values (${ring.issuer}, 'connection')`.execute(trx);
      await rings.insert(trx, ring, SYSTEM);
    }
  });
}

/**
 * Seeds `count` connections that are active since yesterday, each granted to each workload by a grant of its own; the first `asked` have keys.
 * @returns the ids of those.
 */
export async function seedConnections(
  db: Db,
  options: { workloads: readonly string[]; count: number; asked: number; kek: Kek },
): Promise<string[]> {
  const { workloads, count, asked, kek } = options;
  await insertRealRings(db, asked, kek);
  if (count > asked) await insertHollowRings(db, asked + 1, count, kek);
  const series = sql`generate_series(1, ${count}::int) n`;
  await sql`insert into connections (id, name, tenant, labels, cloud, issuer, subject, algorithm, state, state_since, max_session_seconds, source_identity, session_tags)
    select ${CONNECTION}, 'bench ' || n, 'tenant-' || n % 1000, jsonb_build_object('environment', n % 3), 'aws', ${ISSUER}, ${CONNECTION}, 'ES256', 'active', now() - interval '1 day', 3600, false, false
    from ${series}`.execute(db);
  await sql`insert into aws_connections (connection, account_id, partition, region, role_name, role_arn, permission_set, additions, role_id, verified_at)
    select ${CONNECTION}, lpad(n::text, 12, '0'), 'aws', 'us-east-1', 'countersign', 'arn:aws:iam::' || lpad(n::text, 12, '0') || ':role/countersign', 'read-only', '{}',
      'AROAEXAMPLEEXAMPLEEXA', now() from ${series}`.execute(db);
  for (const workload of workloads) {
    const grant = id('gr', sql`(n || ${workload}::text)`);
    await sql`insert into grants (id, workload, selector_kind, selector_value, purpose, max_session_seconds, policy_arns, tags)
      select ${grant}, ${workload}, 'connection', ${CONNECTION}, 'default', 3600, '{}', '{}' from ${series}`.execute(
      db,
    );
  }
  await sql`analyze`.execute(db);
  const { rows } = await sql<{
    id: string;
  }>`select ${CONNECTION} as id from generate_series(1, ${asked}::int) n`.execute(db);
  return rows.map((row) => row.id);
}

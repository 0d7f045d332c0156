// The versioned policy row: seeded once from configuration, read by whoever applies the arithmetic.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import { StartError } from '../errors.ts';
import { effectivePolicy, type KeyPolicy, type PolicyVersion, unsoundLines } from './policy.ts';
import type { ReadClock } from './store.ts';

export async function listPolicyVersions(db: Db): Promise<PolicyVersion[]> {
  const rows = await db
    .selectFrom('key_policies')
    .select(['version', 'a_seconds', 'd_seconds', 'r_seconds', 'e_seconds', 'period_seconds', 'created_at'])
    .orderBy('version')
    .execute();
  return rows.map((row) => ({
    version: row.version,
    since: row.created_at.getTime(),
    policy: {
      verifierCache: row.a_seconds * 1000,
      oldestServed: row.d_seconds * 1000,
      oldestSigned: row.r_seconds * 1000,
      clockError: row.e_seconds * 1000,
      period: row.period_seconds * 1000,
    },
  }));
}

/** Who set a version, and why. */
export async function findPolicyAuthor(db: Db, version: number): Promise<{ reason: string; actor: string }> {
  return await db
    .selectFrom('key_policies')
    .select(['reason', 'actor'])
    .where('version', '=', version)
    .executeTakeFirstOrThrow();
}

/** Any number, of this lock alone. */
const POLICY_LOCK = 4_004_004;

/**
 * Until the end of the transaction the policy stays as it is read: a rotation that reckons with one commits before
 * anybody can obey the next.
 */
export async function keepPolicy(trx: Transaction): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${sql.lit(POLICY_LOCK)})`.execute(trx);
}

/** For a change of the policy: waits for the rotations under way, and holds off others until the end of the transaction. */
export async function lockPolicy(trx: Transaction): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(POLICY_LOCK)})`.execute(trx);
}

/** The policy that the arithmetic reckons with at `now`. */
export async function readPolicy(db: Db, now: number): Promise<KeyPolicy> {
  return effectivePolicy(await listPolicyVersions(db), now);
}

/**
 * Writes version 1 where there is none.
 * @returns whether it did.
 * @throws StartError `key_policy_unsound` with the arithmetic.
 */
export async function seedPolicy(trx: Transaction, policy: KeyPolicy, readClock: ReadClock): Promise<boolean> {
  const lines = unsoundLines(policy);
  if (lines.length > 0) {
    throw new StartError(
      'key_policy_unsound',
      `The key policy breaks its arithmetic: ${lines.join('; ')}.`,
      'Mend the KEY_POLICY_* variables.',
    );
  }
  const since = await readClock(trx);
  return await insertPolicyVersion(
    trx,
    { version: 1, since, policy },
    { reason: 'seeded from the configuration', actor: 'system' },
  );
}

/** @returns false where there is a version of that number already */
export async function insertPolicyVersion(
  trx: Transaction,
  { version, since, policy }: PolicyVersion,
  by: { reason: string; actor: string },
): Promise<boolean> {
  const inserted = await trx
    .insertInto('key_policies')
    .values({
      version,
      a_seconds: policy.verifierCache / 1000,
      d_seconds: policy.oldestServed / 1000,
      r_seconds: policy.oldestSigned / 1000,
      e_seconds: policy.clockError / 1000,
      period_seconds: policy.period / 1000,
      created_at: new Date(since),
      ...by,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

// The versioned policy row: seeded once from configuration, read by whoever applies the arithmetic.
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

/** The policy that holds at `now`. */
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
  const inserted = await trx
    .insertInto('key_policies')
    .values({
      version: 1,
      a_seconds: policy.verifierCache / 1000,
      d_seconds: policy.oldestServed / 1000,
      r_seconds: policy.oldestSigned / 1000,
      e_seconds: policy.clockError / 1000,
      period_seconds: policy.period / 1000,
      created_at: new Date(await readClock(trx)),
      reason: 'seeded from the configuration',
      actor: 'system',
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

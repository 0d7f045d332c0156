// The queue of rotations follows the key policy: after a change every ring is planned anew, some hundred at a time.
import { sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import { listKeysOfRings } from './facts.ts';
import { keepPolicy, listPolicyVersions } from './policies.ts';
import { effectivePolicy } from './policy.ts';
import type { ReadClock } from './store.ts';
import { plannedAt } from './timeline.ts';

/** Rings in one transaction, whose rows are locked for as long as that takes. */
const BATCH = 500;

export interface PlanDeps {
  db: Db;
  readClock: ReadClock;
}

/** Rings behind `after` that are in use, by id; locked, so that no rotation plans them meanwhile. */
async function lockRings(trx: Transaction, after: string): Promise<string[]> {
  const rows = await trx
    .selectFrom('rings')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .limit(BATCH)
    .forNoKeyUpdate()
    .execute();
  return rows.map(({ id }) => id);
}

async function planRings(trx: Transaction, ids: readonly string[], readClock: ReadClock): Promise<void> {
  const now = await readClock(trx);
  const policy = effectivePolicy(await listPolicyVersions(trx), now);
  const planned = (await listKeysOfRings(trx, ids)).flatMap(({ ring, keys }) => {
    const at = plannedAt(keys, policy, now);
    return at === undefined ? [] : [{ ring, at: new Date(at).toISOString() }];
  });
  // What is held is looked at when it is due, and waits for the end of its hold then.
  await sql`
    update rings set next_rotation_at = planned.at
    from unnest(${planned.map(({ ring }) => ring)}::text[], ${planned.map(({ at }) => at)}::timestamptz[]) as planned (ring, at)
    where rings.id = planned.ring and rings.next_rotation_at < 'infinity' and rings.next_rotation_at <> planned.at`.execute(
    trx,
  );
}

/** The next rings of a plan that is not done. @returns whether there may be more to do here. */
async function planMore({ db, readClock }: PlanDeps): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    const plan = await trx
      .selectFrom('rotation_plan')
      .select(['policy_version', 'after'])
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (!plan) return false;
    await keepPolicy(trx);
    const newest = (await listPolicyVersions(trx)).at(-1)?.version ?? 0;
    const begun = plan.policy_version === newest;
    if (begun && plan.after === null) return false;
    const ids = await lockRings(trx, begun ? (plan.after ?? '') : '');
    await planRings(trx, ids, readClock);
    const after = ids.length < BATCH ? null : (ids.at(-1) as string);
    await trx.updateTable('rotation_plan').set({ policy_version: newest, after }).execute();
    return after !== null;
  });
}

/** @returns what follows the policy until `stopped` says otherwise; one replica at a time does it, any goes on with it */
export function createPlanner(deps: PlanDeps): (stopped?: () => boolean) => Promise<void> {
  let migrated = false;
  return async (stopped = () => false) => {
    migrated ||= await hasTable(deps.db, 'rotation_plan');
    if (!migrated) return;
    while (!stopped() && (await planMore(deps)));
  };
}

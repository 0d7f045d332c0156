// The rows behind a client_id, of either registry, each with the policy epoch of the snapshot that it was read in.
import type { Db, Transaction } from '../db/connect.ts';
import type { Jwks } from '../db/types.ts';
import { EPOCH_ROW, type EpochRow, type Seal, standingOf } from '../seal/store.ts';
import { MAX_OUTLIVE } from '../workloads/store.ts';

export interface ClientRow {
  kind: 'workload' | 'administrator';
  id: string;
  slug: string;
  state: 'active' | 'suspended';
  scopes: string[];
  audiences: string[];
  jwks: Jwks;
  version: number;
  /** How long its tokens may live on after a proof that ends before them; seconds. */
  maxOutliveSeconds: number;
  /** The policy epoch of the snapshot that this row was read in. */
  epoch: number;
  /** The seal in that snapshot. */
  seal: Seal | undefined;
}

function rowOf<R extends { epoch_row: EpochRow }>({ epoch_row, ...row }: R) {
  return { ...row, ...standingOf(epoch_row) };
}

/** `wl_…` or `ad_…`; undefined for anything else. */
export async function findClient(db: Db, id: string): Promise<ClientRow | undefined> {
  const epochRow = EPOCH_ROW.as('epoch_row');
  if (/^wl_[a-z2-7]{26}$/.test(id)) {
    const row = await db
      .selectFrom('workloads')
      .select(['id', 'slug', 'state', 'scopes', 'audiences', 'jwks', 'version', epochRow])
      .select(MAX_OUTLIVE.as('maxOutliveSeconds'))
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { kind: 'workload', ...rowOf(row) };
  }
  if (/^ad_[a-z2-7]{26}$/.test(id)) {
    const row = await db
      .selectFrom('administrators')
      .select(['id', 'slug', 'state', 'scopes', 'jwks', 'version', epochRow])
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { kind: 'administrator', audiences: [], maxOutliveSeconds: 0, ...rowOf(row) };
  }
  return undefined;
}

/**
 * Locks out other changes of this client, as its own routes do, but not what only refers to it.
 * @param id `wl_…` or `ad_…`
 */
export async function lockClient(
  trx: Transaction,
  id: string,
): Promise<Pick<ClientRow, 'state' | 'scopes'> | undefined> {
  return await trx
    .selectFrom(id.startsWith('wl_') ? 'workloads' : 'administrators')
    .select(['state', 'scopes'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

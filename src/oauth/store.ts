// The rows behind a client_id, of either registry, each with the policy epoch of the snapshot that it was read in.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { Jwks } from '../db/types.ts';

export interface ClientRow {
  kind: 'workload' | 'administrator';
  id: string;
  slug: string;
  state: 'active' | 'suspended';
  scopes: string[];
  audiences: string[];
  jwks: Jwks;
  version: number;
  /** The policy epoch of the snapshot that this row was read in. */
  epoch: number;
}

/** `wl_…` or `ad_…`; undefined for anything else. */
export async function findClient(db: Db, id: string): Promise<ClientRow | undefined> {
  const epoch = sql<number>`(select epoch from policy_epoch where id = 1)`.as('epoch');
  if (/^wl_[a-z2-7]{26}$/.test(id)) {
    const row = await db
      .selectFrom('workloads')
      .select(['id', 'slug', 'state', 'scopes', 'audiences', 'jwks', 'version', epoch])
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { kind: 'workload', ...row };
  }
  if (/^ad_[a-z2-7]{26}$/.test(id)) {
    const row = await db
      .selectFrom('administrators')
      .select(['id', 'slug', 'state', 'scopes', 'jwks', 'version', epoch])
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { kind: 'administrator', audiences: [], ...row };
  }
  return undefined;
}

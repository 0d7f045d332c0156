// The OAuth clients behind a client_id: workloads and administrators, in memory for as long as the policy epoch stands.
import { sql } from 'kysely';
import { LRUCache } from 'lru-cache';
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

export interface Clients {
  /**
   * From memory while the epoch stands; read anew where `accept` says no to that row, since what is remembered may only
   * ever say yes.
   */
  find(id: string, accept: (row: ClientRow) => boolean): Promise<ClientRow | undefined>;
  /** Read from the database, whatever is remembered. */
  read(id: string): Promise<ClientRow | undefined>;
}

const REMEMBERED = 10_000;

async function readClient(db: Db, id: string): Promise<ClientRow | undefined> {
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

/** @param epoch the policy epoch as this process last saw it. */
export function createClients(db: Db, epoch: () => number): Clients {
  const remembered = new LRUCache<string, ClientRow>({ max: REMEMBERED });

  async function read(id: string): Promise<ClientRow | undefined> {
    const row = await readClient(db, id);
    if (row) remembered.set(id, row);
    else remembered.delete(id);
    return row;
  }

  return {
    read,
    find: async (id, accept) => {
      const row = remembered.get(id);
      return row && row.epoch === epoch() && accept(row) ? row : await read(id);
    },
  };
}

// The OAuth clients behind a client_id: workloads and administrators, in memory for as long as the policy epoch stands.
import { LRUCache } from 'lru-cache';
import type { Db } from '../db/connect.ts';
import { SOON_MS, within } from '../db/within.ts';
import { type ClientRow, findClient } from './store.ts';

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

/** @param epoch the policy epoch as this process last saw it. */
export function createClients(db: Db, epoch: () => number): Clients {
  const remembered = new LRUCache<string, ClientRow>({ max: REMEMBERED });

  async function read(id: string): Promise<ClientRow | undefined> {
    const row = await within(SOON_MS, findClient(db, id));
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

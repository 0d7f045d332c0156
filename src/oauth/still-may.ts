// Whether a client may still do what it asked for some time ago, when nobody holds a token for it any more.
import type { Db } from '../db/connect.ts';
import type { Scope } from '../http/scopes.ts';

type FindClient = (db: Db, id: string) => Promise<{ state: string; scopes: string[] } | undefined>;

/** The host's socket has no row: who reaches it may do everything. */
export function createStillMay(findClient: FindClient, scope: Scope): (db: Db, id: string) => Promise<boolean> {
  return async (db, id) => {
    if (id === 'host') return true;
    const client = await findClient(db, id);
    return client?.state === 'active' && client.scopes.includes(scope);
  };
}

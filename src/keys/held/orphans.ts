// Keys in another system whose private half's time is over, or that no ring ever took: that system is told.
import type { Db } from '../../db/connect.ts';
import type { Holders } from './holder.ts';
import { listOrphans, setDeleted } from './store.ts';

/**
 * @param limit that many are tried; @returns how many there were of them
 * @throws the first refusal, once every one of them was tried
 */
export async function destroyOrphans(db: Db, holders: Holders, limit: number): Promise<number> {
  let refused: Error | undefined;
  const orphans = await listOrphans(db, limit);
  for (const { name, signer } of orphans) {
    try {
      await holders[signer].destroy(name);
      await setDeleted(db, name);
    } catch (error) {
      refused ??= error as Error;
    }
  }
  if (refused) throw refused;
  return orphans.length;
}

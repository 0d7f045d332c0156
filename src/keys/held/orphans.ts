// Keys in another system whose private half's time is over, or that no ring ever took: that system is told.
import type { Db } from '../../db/connect.ts';
import type { Holders } from './holder.ts';
import { listOrphans, setDeleted } from './store.ts';

const AT_ONCE = 20;

/** @throws the first refusal, once every key was tried */
export async function destroyOrphans(db: Db, holders: Holders): Promise<void> {
  let refused: Error | undefined;
  for (const { name, signer } of await listOrphans(db, AT_ONCE)) {
    try {
      await holders[signer].destroy(name);
      await setDeleted(db, name);
    } catch (error) {
      refused ??= error as Error;
    }
  }
  if (refused) throw refused;
}

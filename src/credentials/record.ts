// A row of what was decided: durable under a decision that stands then, or not at all.
import type { AuditEntry } from '../audit/chain.ts';
import { type AuditStream, EpochChanged } from '../audit/stream.ts';
import { changedTooOften, DECISIONS } from '../audit/decisions.ts';
import { unavailable } from '../errors.ts';
import type { Authorized } from './authorize.ts';

export interface Decided {
  decideAgain(): Promise<Authorized>;
  /** The row is not written: the log was away, or what was decided stands no more (with the error that says so). */
  lost(why: 'unrecorded' | 'dropped', error: unknown): Promise<void>;
}

/**
 * Appends the row under the epoch of the first decision. Where that is over, what is decided now must be for the same
 * session, all that it hangs on.
 * @throws what a decision made meanwhile says, or Problem `unavailable`; after `lost`
 */
export async function recordDecided(
  stream: Pick<AuditStream, 'append'>,
  entry: AuditEntry,
  first: Authorized,
  { decideAgain, lost }: Decided,
): Promise<void> {
  let { epoch } = first.decision;
  for (let decided = 1; ; decided += 1) {
    try {
      return await stream.append({ entry, epoch });
    } catch (error) {
      if (!(error instanceof EpochChanged)) {
        await lost('unrecorded', error);
        throw error;
      }
    }
    try {
      if (decided === DECISIONS) throw changedTooOften();
      const again = await decideAgain();
      if (again.key !== first.key) throw unavailable('The grant or the connection changed while AWS was asked.');
      epoch = again.decision.epoch;
    } catch (refused) {
      await lost('dropped', refused);
      throw refused;
    }
  }
}

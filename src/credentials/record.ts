// A row of what was decided: durable under a decision that stands then, or not at all.
import type { AuditEntry } from '../audit/chain.ts';
import { type AuditStream, EpochChanged } from '../audit/stream.ts';
import { underOneEpoch } from '../audit/decisions.ts';
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
  let why: Parameters<Decided['lost']>[0] = 'dropped';
  try {
    await underOneEpoch(async (nth) => {
      if (nth > 1) {
        const again = await decideAgain();
        if (again.key !== first.key) throw unavailable('The grant or the connection changed while AWS was asked.');
        epoch = again.decision.epoch;
      }
      await stream.append({ entry, epoch }).catch((error: unknown) => {
        if (!(error instanceof EpochChanged)) why = 'unrecorded';
        throw error;
      });
    });
  } catch (error) {
    await lost(why, error);
    throw error;
  }
}

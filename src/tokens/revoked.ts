// What was revoked, seen before anything is minted or answered under the policy epoch that the revocation began.
import { SOON_MS, within } from '../db/within.ts';
import { PLATFORM } from '../issuers/documents.ts';
import { publishedKeys } from '../keys/timeline.ts';
import type { RingView } from '../keys/view.ts';

export interface Revoked {
  /** To be awaited before something is minted that was decided under this epoch: reads the keys anew once for each. Never throws. */
  catchUp(epoch: number): Promise<void>;
  /** Whether what this key of the platform's signed still verifies. @throws where nobody can tell */
  stillPublished(kid: string): Promise<boolean>;
}

export function createRevoked(view: Pick<RingView, 'refresh' | 'find' | 'now'>): Revoked {
  let caughtUp: number | undefined;
  return {
    catchUp: async (epoch) => {
      if (epoch === caughtUp) return;
      try {
        await within(SOON_MS, view.refresh());
        caughtUp = epoch;
      } catch {
        // Then it is the view that says whether it is new enough to sign by, and the next one tries again.
      }
    },
    stillPublished: async (kid) => {
      await within(SOON_MS, view.refresh());
      return (view.find(PLATFORM) ?? []).some(({ keys }) =>
        publishedKeys(keys, view.now()).some((key) => key.kid === kid),
      );
    },
  };
}

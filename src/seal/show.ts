// The seal as the API shows it.
import type { Static } from 'typebox';
import type { SealState } from './schema.ts';
import type { Seal } from './store.ts';

export function showSeal(seal: Seal | undefined): Static<typeof SealState> {
  if (!seal) return { sealed: false };
  const { at, by, as, reason } = seal;
  return { sealed: true, sealed_at: at, sealed_by: by, ...(as === undefined ? {} : { sealed_as: as }), reason };
}

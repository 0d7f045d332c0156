// The proofs at STS, put together: of standbys before they sign, of revocations before private halves are destroyed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import type { Check } from '../../keys/conditions.ts';
import { type Ahead, type AheadDeps, createAhead } from './ahead.ts';
import { createPace, type Pace } from './pace.ts';
import { createRevocationProver, type RevocationDeps, type RevocationProver } from './revoked.ts';
import { createShow, type ShowDeps } from './show.ts';
import { createStandbyCheck, type StandbyDeps } from './standby.ts';

export type ProofDeps = ShowDeps &
  Omit<StandbyDeps & RevocationDeps, 'show' | 'pace'> &
  Pick<AheadDeps, 'view'> & { clock: Clock };

export interface Proofs {
  checkStandby: Check;
  standbys: Ahead;
  revocations: RevocationProver;
}

export function createProofs(deps: ProofDeps): Proofs {
  const show = createShow(deps);
  // Each at its own pace: a hundred thousand revocations hold up no rotation.
  const pace = (): Pace => createPace({ clock: deps.clock, sleep: (ms) => sleep(ms, undefined, { ref: false }) });
  const checkStandby = createStandbyCheck({ ...deps, show, pace: pace() });
  return {
    checkStandby,
    standbys: createAhead({ ...deps, checkStandby }),
    revocations: createRevocationProver({ ...deps, show, pace: pace() }),
  };
}

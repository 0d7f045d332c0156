// What a caller hears while the service is sealed: since when and by whom, and who lifts it; never why.
import { Problem } from '../errors.ts';
import type { Seal } from './store.ts';

/** Seconds: nobody lifts a seal within one, and callers should not hammer meanwhile. */
const RETRY_AFTER = 30;

export const UNSEAL_HINT =
  'An administrator with the scope service:seal can unseal it with a token that they hold, else whoever has a shell on the host: countersign unseal --reason "…".';

export function describeSeal({ at, by }: Pick<Seal, 'at' | 'by'>): string {
  return `sealed since ${at} by ${by}`;
}

export function sealedProblem(seal: Seal): Problem {
  return new Problem('sealed', `The service is ${describeSeal(seal)}: nothing is minted.`, {
    ...{ hint: UNSEAL_HINT, retryAfter: RETRY_AFTER },
  });
}

/** @throws Problem `sealed` */
export function refuseSealed({ seal }: { seal: Seal | undefined }): void {
  if (seal) throw sealedProblem(seal);
}

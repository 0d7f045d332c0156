// Minting canaries: web identity tokens by a key that is named, for looks at STS and nothing else.
import { unavailable } from '../errors.ts';
import type { RingKey } from '../keys/facts.ts';
import { ringId } from '../keys/store.ts';
import { keyState, seasonedAt } from '../keys/timeline.ts';
import { findActiveKey, mintAs, type MintDeps, type Minted, type WebIdentity, webIdentityToken } from './mint.ts';

export interface CanaryDeps extends MintDeps {
  /** Whether a revoked key still signs canaries: until its proof ends. */
  mayProveRevocation(ring: string, kid: string): Promise<boolean>;
}

/** @param kid the key that signs it; the active one unless given */
export type MintCanary = (input: WebIdentity & { kid?: string | undefined }) => Promise<Minted>;

/**
 * The one way to a signature by a key that is not active: a seasoned standby, or a revoked key while its revocation is
 * being proved. Whoever calls it shows the token to STS with a session policy that denies everything, and to nobody else.
 */
export function createMintCanary(deps: CanaryDeps): MintCanary {
  const { view } = deps;

  function maySign(key: RingKey): boolean {
    const state = keyState(key, view.now());
    return state === 'active' || (state === 'standby' && seasonedAt(key, view.policy()) <= view.now());
  }

  return async ({ kid, ...input }) => {
    const { issuer, algorithm } = input;
    if (kid === undefined) return mintAs(deps, await findActiveKey(deps, issuer, algorithm), webIdentityToken(input));
    view.assertMaySign();
    const ring = ringId(issuer, algorithm);
    const rings = view.find(issuer) ?? (await view.learn(issuer));
    const key = rings?.find(({ id }) => id === ring)?.keys.find((one) => one.kid === kid);
    // A revoked key is in no view.
    if (key ? !maySign(key) : !(await deps.mayProveRevocation(ring, kid)))
      throw unavailable('This key signs nothing, canaries neither.');
    return mintAs(deps, { kid, algorithm }, webIdentityToken(input));
  };
}

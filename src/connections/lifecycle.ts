// The states of a connection and what may move it from one to another: a pure function.
import type { ConnectionState } from '../db/types.ts';

export const STATES = [
  'pending',
  'verifying',
  'active',
  'degraded',
  'unsafe',
  'paused',
  'disconnected',
] as const satisfies ConnectionState[];

/** What happens to a connection. `resumed` is the operator's "let it work again", also after a role was re-created. */
export type Happening =
  | 'verification_requested'
  | 'verified'
  | 'role_recreated'
  | 'probe_failed'
  | 'verification_expired'
  | 'paused'
  | 'resumed'
  | 'disconnected';

type Moves = Partial<Record<Happening, ConnectionState>>;

const MOVES: Record<ConnectionState, Moves> = {
  pending: { verification_requested: 'verifying', disconnected: 'disconnected' },
  verifying: {
    ...{
      verification_requested: 'verifying',
      verified: 'active',
      role_recreated: 'degraded',
      verification_expired: 'pending',
    },
    // A connection that was resumed by mistake can be stopped again before it is proven.
    ...{ paused: 'paused', disconnected: 'disconnected' },
  },
  active: {
    ...{ verification_requested: 'active', verified: 'active', role_recreated: 'degraded', probe_failed: 'degraded' },
    ...{ verification_expired: 'active', paused: 'paused', resumed: 'active', disconnected: 'disconnected' },
  },
  degraded: {
    ...{ verification_requested: 'degraded', verified: 'active', role_recreated: 'degraded', probe_failed: 'degraded' },
    ...{ verification_expired: 'degraded', paused: 'paused', resumed: 'degraded', disconnected: 'disconnected' },
  },
  // Positive proof does not make a trust safe again.
  unsafe: { paused: 'paused', disconnected: 'disconnected' },
  // Nothing is known about what happened meanwhile: it is proven again before it says Active.
  paused: { paused: 'paused', resumed: 'verifying', disconnected: 'disconnected' },
  disconnected: { disconnected: 'disconnected' },
};

/**
 * The state after it, or undefined where it may not happen.
 * @param wasVerified whether STS ever let the connection in; one that it never did has nothing to pause
 */
export function nextState(
  state: ConnectionState,
  happening: Happening,
  wasVerified: boolean,
): ConnectionState | undefined {
  if (state === 'verifying' && happening === 'paused' && !wasVerified) return undefined;
  return MOVES[state][happening];
}

/** Whether STS is polled in this state, so that an answer means something. */
export function isPolled(state: ConnectionState): boolean {
  return MOVES[state].verified !== undefined;
}

// What one answer of STS means for a connection: its next state, whether the role is pinned, and when to ask again. Pure.
import type { StsSide } from '../../clouds/aws-errors.ts';
import type { ConnectionState } from '../../db/types.ts';
import { type Happening, isPolled, nextState } from '../lifecycle.ts';
import { CONSISTENCY_MS, nextDelay } from './schedule.ts';

export type Outcome =
  | { ok: true; roleId: string }
  | {
      ok: false;
      side: StsSide /** A short name, AWS's own where AWS answered. */;
      code: string /** For a person. */;
      detail: string;
    };

export interface Judged {
  /** Absent where nothing happened that a state could show. */
  happening?: Happening;
  state: ConnectionState;
  reason: string;
  pin?: string;
  /** Milliseconds until the next attempt; absent when polling ends. */
  delay?: number;
}

export interface Standing {
  state: ConnectionState;
  reason: string;
  /** The pinned unique id of the role (`AROA…`), once STS has let us in. */
  roleId: string | null;
  elapsedMs: number;
}

export function judge(standing: Standing, outcome: Outcome): Judged {
  const { state, reason, roleId, elapsedMs } = standing;
  // Paused, unsafe or disconnected meanwhile: what STS says changes nothing, and it is not asked again.
  if (!isPolled(state)) return { state, reason };
  const move = (happening: Happening, because: string, more: Pick<Judged, 'pin' | 'delay'> = {}): Judged => ({
    happening,
    state: nextState(state, happening, roleId !== null) ?? state,
    reason: because,
    ...more,
  });
  if (outcome.ok) {
    if (roleId !== null && roleId !== outcome.roleId) return move('role_recreated', 'role_recreated');
    return move('verified', '', { pin: outcome.roleId });
  }
  const delay = nextDelay(elapsedMs, outcome.side);
  if (delay === undefined) {
    return move('verification_expired', state === 'verifying' ? 'verification_expired' : reason);
  }
  // Only the owner's refusals say something about the connection; an outage of AWS, or our own fault, does not.
  if (state === 'active' && outcome.side === 'account_owner' && elapsedMs >= CONSISTENCY_MS) {
    return move('probe_failed', outcome.code, { delay });
  }
  return { state, reason, delay };
}

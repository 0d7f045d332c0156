// Pure parts of the decision: which of the matching grants applies, and which states of a connection are brokered.
import type { ConnectionState } from '../db/types.ts';
import { Problem } from '../errors.ts';
import { PRECEDENCE, type SelectorKind } from './selector.ts';

export interface Candidate {
  id: string;
  kind: SelectorKind;
  /** The label, tenant or connection, as the grant has it. */
  selector: string;
}

/**
 * The narrowest kind of selector decides; its limits then apply, whatever a wider grant would have allowed.
 * @throws Problem `grant_ambiguous` where two label grants stand beside each other.
 */
export function chooseGrant<G extends Candidate>(candidates: readonly G[]): G | undefined {
  for (const kind of PRECEDENCE) {
    const [chosen, ...others] = candidates.filter((candidate) => candidate.kind === kind);
    if (!chosen) continue;
    if (others.length === 0) return chosen;
    const all = [chosen, ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
    throw new Problem(
      'grant_ambiguous',
      `Several grants match this connection: ${all.map(({ id, selector }) => `${id} (${selector})`).join(' and ')}.`,
      {
        hint: 'Ask an operator to delete one of them, or to grant this connection by itself.',
        extra: { grants: all.map(({ id }) => id) },
      },
    );
  }
  return undefined;
}

const HINTS: Record<Exclude<ConnectionState, 'active' | 'degraded'>, string> = {
  pending: 'Its account owner has not been asked yet: hand out its link or template.',
  verifying: 'It becomes active by itself once the stack stands; GET it with ?wait=active to wait.',
  unsafe: 'Its role trusts more than it should: have the trust policy mended, then verify it again.',
  paused: 'An operator or the account owner paused it; they can resume it.',
  disconnected: 'This is final: register a new connection.',
};

/** Active and degraded are brokered, nothing else. @throws Problem `connection_not_active` */
export function refuseState(connection: { state: ConnectionState; state_reason: string }): void {
  const { state, state_reason } = connection;
  if (state === 'active' || state === 'degraded') return;
  const because = state_reason === '' ? '' : `: ${state_reason}`;
  throw new Problem('connection_not_active', `This connection is ${state}${because}.`, {
    hint: HINTS[state],
    extra: { state, state_reason },
  });
}

// Writing down what an attempt found: the connection, its verification and the audit row in one act of the service itself.
import { type Act, type Done, SYSTEM } from '../../audit/act.ts';
import type { Transaction } from '../../db/connect.ts';
import type { Happening } from '../lifecycle.ts';
import { type ConnectionRow, lockConnection, updateRoleId, updateState } from '../store.ts';
import type { Attempt } from './attempt.ts';
import { type Judged, judge } from './judge.ts';
import { deleteVerification, findLeased, postponeVerification } from './store.ts';

const KINDS: Partial<Record<Happening, string>> = {
  verified: 'connection.verified',
  role_recreated: 'connection.degraded',
  probe_failed: 'connection.degraded',
  verification_expired: 'connection.verification_expired',
};

export interface Lease {
  /** The connection's id. */
  connection: string;
  until: Date;
}

/**
 * @param now when the attempt was made
 * @returns what it meant; undefined where the lease had passed on, and nothing was written.
 */
export function recordAttempt(act: Act, lease: Lease, attempt: Attempt, now: Date): Promise<Judged | undefined> {
  return act(SYSTEM, async (trx): Promise<Done<Judged | undefined>> => {
    const row = await lockConnection(trx, lease.connection);
    const startedAt = await findLeased(trx, lease.connection, lease.until);
    if (!row || !startedAt)
      return { result: undefined, records: recordsOf(lease, attempt, undefined, undefined), affectsDecisions: false };
    const { state, state_reason: reason, role_id: roleId } = row;
    const judged = judge({ state, reason, roleId, elapsedMs: now.getTime() - startedAt.getTime() }, attempt.outcome);
    await apply(trx, row, judged, attempt, now);
    const changed = judged.state !== state || judged.reason !== reason;
    return { result: judged, records: recordsOf(lease, attempt, judged, row), affectsDecisions: changed };
  });
}

async function apply(
  trx: Transaction,
  row: ConnectionRow,
  judged: Judged,
  { outcome }: Attempt,
  now: Date,
): Promise<void> {
  if (judged.state !== row.state || judged.reason !== row.state_reason)
    await updateState(trx, row.id, judged.state, judged.reason);
  if (judged.pin !== undefined) await updateRoleId(trx, row.id, judged.pin);
  if (judged.delay === undefined || outcome.ok) return deleteVerification(trx, row.id);
  const { code, detail } = outcome;
  await postponeVerification(trx, row.id, { nextAt: new Date(now.getTime() + judged.delay), code, detail });
}

/** A token was minted and STS was asked: that is a row, whatever came of it. Without a token, only what changed is. */
function recordsOf(
  lease: Lease,
  { outcome, evidence }: Attempt,
  judged: Judged | undefined,
  row: ConnectionRow | undefined,
): Done<unknown>['records'] {
  const kind =
    (judged?.happening && KINDS[judged.happening]) ??
    (outcome.ok ? 'connection.verification_late' : 'connection.verification_failed');
  if (evidence.kid === undefined && judged?.happening === undefined) return [];
  const found = outcome.ok ? { role_id: outcome.roleId } : { code: outcome.code, side: outcome.side };
  const states =
    judged && row ? { state: judged.state, was: row.state, reason: judged.reason, pinned_role_id: row.role_id } : {};
  return [{ kind, connection: lease.connection, details: { ...found, ...states, ...evidence } }];
}

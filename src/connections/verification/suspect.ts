// What an exchange found out: STS answered for another role, or not what it promises. The connection is degraded, and asked about.
import type { FastifyBaseLogger } from 'fastify';
import { type Act, type Done, SYSTEM } from '../../audit/act.ts';
import type { AnswerFault } from '../../clouds/aws-answer.ts';
import { nextState } from '../lifecycle.ts';
import { lockConnection, updateState } from '../store.ts';
import { restartVerification } from './store.ts';

/** What STS answered was another role's, or not what it promises. */
export interface Suspicion {
  /** `cn_…` and its generation when STS was asked. */
  connection: string;
  generation: number;
  /** `ex_…` */
  exchange: string;
  /** Its `state_reason`; `role_recreated` stays until somebody accepts the role. */
  reason: AnswerFault;
  /** AWS's unique id of the role that answered; empty where that could not be read. */
  roleId: string;
}

/** @returns whether it was degraded: not where it has changed since, or is already, for this reason. */
export function degrade(act: Act, suspicion: Suspicion): Promise<boolean> {
  const { connection, generation, exchange, reason, roleId } = suspicion;
  return act(SYSTEM, async (trx): Promise<Done<boolean>> => {
    const row = await lockConnection(trx, connection);
    const happening = reason === 'role_recreated' ? 'role_recreated' : 'probe_failed';
    const state = row?.generation === generation ? nextState(row.state, happening, row.role_id !== null) : undefined;
    if (!row || state === undefined || (row.state === state && row.state_reason === reason))
      return { result: false, records: [], affectsDecisions: false };
    await updateState(trx, row.id, state, reason);
    // Verified, it is well again by itself.
    await restartVerification(trx, row.id);
    const details = { state, was: row.state, reason, exchange, pinned_role_id: row.role_id, role_id: roleId };
    return {
      result: true,
      records: [{ kind: 'connection.degraded', connection: row.id, details }],
      affectsDecisions: true,
    };
  });
}

export interface SuspectDeps {
  act: Act;
  log: FastifyBaseLogger;
  /** Called where one was degraded: it is to be asked about now. */
  wake(): void;
}

/** Never throws: what the caller is told does not hang on it. */
export function createSuspect({ act, log, wake }: SuspectDeps): (suspicion: Suspicion) => Promise<void> {
  return async (suspicion) => {
    try {
      if (await degrade(act, suspicion)) wake();
    } catch (error) {
      log.error({ err: error, connection: suspicion.connection }, 'a connection could not be degraded');
    }
  };
}

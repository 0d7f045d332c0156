// An administrative act: the change and its record in one transaction, its actor confirmed inside it.
import type { Transaction } from '../db/connect.ts';
import type { JsonValue } from './chain.ts';
import { bumpEpoch } from './store.ts';
import type { AuditStream } from './stream.ts';

/** Who acts. */
export interface Actor {
  /** `wl_…`, `ad_…`, `host`, or `system`. */
  id: string;
  /** The person at the host's shell, as they say; or who signed in, as their company's issuer says. */
  as?: string | undefined;
  /** Why, as the person said it. */
  reason?: string | undefined;
  /** The request that carried the act. */
  requestId?: string | undefined;
  /** jti of the token that it was done with. */
  jti?: string | undefined;
  /**
   * Locks the actor's row FOR SHARE and checks that it still may act.
   * @throws Problem when it may not (suspended, scopes taken away) since the token was minted.
   */
  confirm(trx: Transaction): Promise<void>;
}

export interface Done<T> {
  result: T;
  /** What is recorded; none when nothing happened (an idempotent replay). */
  records: {
    kind: string;
    workload?: string;
    connection?: string;
    details?: { [member: string]: JsonValue | undefined };
  }[];
  /** Whether decisions rest on what was changed: bumps the policy epoch. */
  affectsDecisions: boolean;
  /** Asked last of all, right before the commit: where it says no, nothing is written. */
  inTime?: ((trx: Transaction) => Promise<boolean>) | undefined;
}

/** @throws TooLate where `inTime` says no */
export type Act = <T>(actor: Actor, work: (trx: Transaction) => Promise<Done<T>>) => Promise<T>;

/** The service itself is counted with all alone; each command on the host has a token of its own. */
function whoseTurn({ id, jti }: Actor): string | undefined {
  if (id === SYSTEM.id) return undefined;
  return id === 'host' ? jti : id;
}

/** @param stream the process's stream for acts, apart from the one on the path of tokens. */
export function createAct(stream: AuditStream): Act {
  return (actor, work) =>
    stream.transact(async (trx) => {
      await actor.confirm(trx);
      const { result, records, affectsDecisions, inTime } = await work(trx);
      const entries = records.map(({ kind, workload, connection, details }) => ({
        ...{ kind, actor: actor.id, workload, connection },
        details: { as: actor.as, reason: actor.reason, request_id: actor.requestId, jti: actor.jti, ...details },
      }));
      if (affectsDecisions && records.length > 0) await bumpEpoch(trx);
      return { result, entries, inTime };
    }, whoseTurn(actor));
}

/** The service itself: rotations by the clock, verification. */
export const SYSTEM: Actor = { id: 'system', confirm: async () => {} };

// Who may change how a workload proves who it is: whoever adds a proof could be that workload.
import type { Db, Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';

/** Whether any grant is this workload's; what a workload may do is not all in its scopes. */
export type HoldsGrants = (db: Db, workload: string) => Promise<boolean>;

/** @throws Problem `scope_not_held` */
export async function requireProofsChangeable(
  trx: Transaction,
  caller: Caller,
  workload: { id: string; slug: string },
  holdsGrants: HoldsGrants,
): Promise<void> {
  if (caller.scopes.has('grants:write') || !(await holdsGrants(trx, workload.id))) return;
  throw new Problem(
    'scope_not_held',
    `${workload.slug} holds grants: changing its keys or identities needs the scope grants:write.`,
    { hint: 'Ask an administrator who holds it, or let the workload rotate its own key.' },
  );
}

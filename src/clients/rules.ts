// Who may change a client: nobody assigns what they do not hold, nobody edits one who holds more, nobody locks themselves out.
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';
import { requireSuperset, type Scope } from '../http/scopes.ts';
import { type ClientKey, unexpiredKeys } from './keys.ts';

/** An OAuth client that the service knows: a workload or an administrator. */
export interface Client {
  id: string;
  slug: string;
  description: string;
  state: 'active' | 'suspended';
  scopes: Scope[];
  keys: ClientKey[];
  version: number;
  created_at: string;
  updated_at: string;
}

/** Keys, scopes and state of a client are its power: whoever changes them could use it. @throws Problem `scope_not_held` */
export function requireEditable(caller: Caller, client: Client): void {
  requireSuperset(caller.scopes, client.scopes, `Changing ${client.slug}`);
}

/** @throws Problem `scope_not_held` */
export function requireAssignable(caller: Caller, scopes: readonly Scope[]): void {
  requireSuperset(caller.scopes, scopes, 'Assigning these scopes');
}

/** What changing a client asks of whoever changes it; words about it are free. @throws Problem `scope_not_held` */
export function requireChangeable(
  caller: Caller,
  client: Client,
  change: Partial<Pick<Client, 'scopes' | 'state'>>,
): void {
  if (change.scopes !== undefined || change.state !== undefined) requireEditable(caller, client);
  requireAssignable(caller, change.scopes ?? []);
}

/**
 * A client that removes the last key that it can prove itself with needs somebody else to come back; others may do that to it.
 * @throws Problem `last_key`
 */
export function refuseLastKey(caller: Caller, client: Client, kid: string, now: number): void {
  if (caller.id !== client.id || client.state !== 'active') return;
  const usable = unexpiredKeys(client.keys, now);
  if (usable.length !== 1 || usable[0]?.kid !== kid) return;
  throw new Problem('last_key', 'This is your last key that has not expired.', {
    hint: 'Register the new key first, then delete this one; where you sign in, another administrator deletes it.',
  });
}

export function notFound(noun: string, reference: string): Problem {
  return new Problem('not_found', `There is no ${noun} "${reference}".`, { hint: `Look it up with GET /v1/${noun}s.` });
}

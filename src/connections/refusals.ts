// The refusals that several routes of connections share.
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';
import type { ConnectionRow } from './store.ts';

export function noSuchConnection(): Problem {
  return new Problem('not_found', 'There is no such connection.', {
    hint: 'GET /v1/connections lists those that you may see.',
  });
}

/** @throws Problem `not_found` */
export function requireFound(row: ConnectionRow | undefined): ConnectionRow {
  if (!row) throw noSuchConnection();
  return row;
}

/** A tombstone is only looked at. @throws Problem `not_found`, `connection_disconnected` */
export function requireConnected(row: ConnectionRow | undefined): ConnectionRow {
  const found = requireFound(row);
  if (found.state !== 'disconnected') return found;
  throw new Problem('connection_disconnected', 'This connection was disconnected, for good.', {
    hint: 'Register a new connection.',
  });
}

export function stateRefused(row: ConnectionRow, wanted: string, hint: string): Problem {
  return new Problem('connection_state_refused', `A connection that is ${row.state} cannot be ${wanted}.`, { hint });
}

/** Grants select by labels and tenants: whoever sets them gives access. @throws Problem `insufficient_scope` */
export function requireAccessScope(caller: Caller): void {
  if (caller.scopes.has('grants:write')) return;
  throw new Problem('insufficient_scope', 'Labels, and a tenant other than "default", need the scope grants:write.', {
    hint: 'Grants select connections by them. Leave them out, or use a token with that scope.',
  });
}

export function referenceTaken(): Problem {
  return new Problem('reference_taken', 'Another connection has this reference.', {
    hint: 'References are unique in the service: choose another, or GET /v1/connections/<reference>.',
  });
}

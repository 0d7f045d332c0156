// The scopes of the API and what holding one means.
import { Problem } from '../errors.ts';

export const SCOPES = [
  'connections:read',
  'connections:write',
  'workloads:read',
  'workloads:write',
  'administrators:read',
  'administrators:write',
  'grants:read',
  'grants:write',
  'keys:read',
  'keys:rotate',
  'keys:revoke',
  'keys:publish',
  'audit:read',
  'service:seal',
] as const;

export type Scope = (typeof SCOPES)[number];

/** @throws Problem `scope_not_held` unless `held` has every one of `wanted`. */
export function requireSuperset(held: ReadonlySet<string>, wanted: readonly string[], what: string): void {
  const missing = wanted.filter((scope) => !held.has(scope));
  if (missing.length === 0) return;
  throw new Problem('scope_not_held', `${what} needs scopes that you do not hold: ${missing.join(', ')}.`, {
    hint: 'Ask an administrator who holds them, or use a token that carries them.',
  });
}

// How a workload proves who it is: today with a key of its own; federated ways (a cluster's or a cloud's token) will stand beside it.
import { type ClientKey, unexpiredKeys } from '../clients/keys.ts';
import type { Algorithm, PublicJwk } from '../keys/algorithms.ts';

/** RFC 7523: an assertion signed with one of these keys. */
export interface PrivateKeyProof {
  way: 'private_key';
  jwks: { keys: (PublicJwk & { kid: string; alg: Algorithm; use: 'sig' })[] };
}

export type Proof = PrivateKeyProof;

/**
 * The ways open to this workload, or administrator, at `now` (milliseconds since the epoch); expired keys prove nothing.
 * None is open when it is empty: an OAuth client with an empty JWKS can still be asked, and refused.
 */
export function listProofs(client: { keys: readonly ClientKey[] }, now: number): Proof[] {
  const keys = unexpiredKeys(client.keys, now);
  if (keys.length === 0) return [];
  return [{ way: 'private_key', jwks: { keys: keys.map(({ jwk, kid, alg }) => ({ ...jwk, kid, alg, use: 'sig' })) } }];
}

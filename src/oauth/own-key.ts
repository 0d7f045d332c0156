// The first way to prove who one is: an assertion signed with a key of the client's own.
import type { ProvesItself } from '../clients/proof.ts';
import type { Clock } from '../clock.ts';
import { type Assertion, CLOCK_TOLERANCE_SECONDS } from './assertion.ts';
import type { Clients } from './clients.ts';
import type { Proof } from './request.ts';
import type { ClientRow } from './store.ts';

export interface OwnKeyDeps {
  clients: Clients;
  provesItself: ProvesItself;
  clock: Clock;
}

/** @returns undefined where nobody is proved: unknown, no such key, and a wrong signature look the same */
export async function proveByOwnKey(
  { clients, provesItself, clock }: OwnKeyDeps,
  token: string,
  { clientId, algorithm, kid, jti, exp }: Assertion,
): Promise<{ client: ClientRow; proof: Proof } | undefined> {
  // What is remembered may only say yes: a key that it lacks may have been added elsewhere a moment ago.
  const client = await clients.find(
    clientId,
    (row) =>
      row.seal === undefined &&
      row.state === 'active' &&
      kid !== undefined &&
      row.jwks.keys.some((key) => key['kid'] === kid),
  );
  if (!(await provesItself(client, { token, algorithm, kid }, clock.wall())) || !client) return undefined;
  // Without a kid nobody knows which key it was: then all of them must be as they were.
  const proofOf = ({ jwks }: ClientRow) =>
    JSON.stringify(kid === undefined ? jwks : jwks.keys.find((key) => key['kid'] === kid));
  return {
    client,
    proof: {
      replay: { issuer: clientId, jti, expiresAt: new Date((exp + CLOCK_TOLERANCE_SECONDS) * 1000) },
      // The key stays the client's: the assertion's end says nothing about it.
      endsAt: Number.POSITIVE_INFINITY,
      details: { client_kid: kid, assertion_jti: jti },
      again: async () => {
        const fresh = await clients.read(client.id);
        return fresh && proofOf(fresh) === proofOf(client) ? fresh : undefined;
      },
    },
  };
}

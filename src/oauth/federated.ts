// The second way to prove who one is: a token of the platform that the workload runs on, whether asserted or exchanged.
import type { Prove, Proved } from '../identities/prove.ts';
import type { Compact } from '../tokens/compact.ts';
import { ProofRefused } from '../trusted-issuers/verify.ts';
import type { Clients } from './clients.ts';
import type { Proof } from './request.ts';
import type { ClientRow } from './store.ts';

export interface FederatedDeps {
  clients: Clients;
  prove: Prove;
}

/** As of the older of the two snapshots: what changed since then is found by its record. */
const asOf = (client: ClientRow, { epoch }: Proved): ClientRow => ({ ...client, epoch: Math.min(client.epoch, epoch) });

/**
 * @param clientId the workload that it says it is, where it does
 * @param compact the token's parts, where they were read
 * @throws ProofRefused; Problem `unavailable` where the issuer's keys cannot be read
 */
export async function proveByPlatform(
  { clients, prove }: FederatedDeps,
  token: string,
  clientId: string | undefined,
  compact?: Compact,
): Promise<{ client: ClientRow; proof: Proof }> {
  const proved = await prove(token, compact);
  const { workload, audience, tokenAudience, details, expiresAt, replay } = proved;
  if (audience !== tokenAudience)
    throw new ProofRefused(`its audience (aud) must be "${tokenAudience}" at the token endpoint, and nothing else`);
  if (clientId !== undefined && clientId !== workload)
    throw new ProofRefused("it is not an identity of this client_id's");
  const client = await clients.find(workload, (row) => row.seal === undefined && row.state === 'active');
  if (!client) throw new ProofRefused('its workload is not registered any more');
  const proof: Proof = {
    ...{ replay, details, endsAt: expiresAt + client.maxOutliveSeconds },
    again: async () => {
      const again = await prove(token).catch((error: unknown) => {
        if (error instanceof ProofRefused) return undefined;
        throw error;
      });
      if (again?.workload !== workload || again.details.identity !== details.identity) return undefined;
      if (again.tokenAudience !== tokenAudience) return undefined;
      const fresh = await clients.read(workload);
      // The token is signed already: it may live shorter than it could, never longer.
      if (!fresh || fresh.maxOutliveSeconds < client.maxOutliveSeconds) return undefined;
      proof.replay = again.replay;
      return asOf(fresh, again);
    },
  };
  return { client: asOf(client, proved), proof };
}

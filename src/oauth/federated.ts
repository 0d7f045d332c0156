// The second way to prove who one is: a token of a trusted issuer. A platform's, asserted or exchanged, proves a workload; the
// ID token of a sign-in, exchanged alone, a person who may be an administrator or a workload.
import type { ProofOf, Prove, Proved } from '../identities/prove.ts';
import { apiAudience } from '../tokens/audiences.ts';
import type { Compact } from '../tokens/compact.ts';
import { ProofRefused } from '../trusted-issuers/refused.ts';
import type { Clients } from './clients.ts';
import { findNamed, isName } from './named.ts';
import type { Proof } from './request.ts';
import type { ClientRow } from './store.ts';

export interface FederatedDeps {
  issuerUrl: string;
  clients: Clients;
  prove: Prove;
}

export interface Federated {
  token: string;
  shown: ProofOf['shown'];
  /** The client that it says it is, where it does; a person may say it by name. */
  clientId: string | undefined;
  /** What a token is asked for. */
  resource: string;
  /** The token's parts, where they were read. */
  compact: Compact | undefined;
}

/** As of the older of the two snapshots: what changed since then is found by its record. */
const asOf = (client: ClientRow, { epoch }: Proved): ClientRow => ({ ...client, epoch: Math.min(client.epoch, epoch) });

/** @throws ProofRefused; Problem `unavailable` where the issuer's keys cannot be read */
export async function proveByIssuer(
  { issuerUrl, clients, prove }: FederatedDeps,
  { token, shown, clientId: said, resource, compact }: Federated,
): Promise<{ client: ClientRow; proof: Proof }> {
  const prefers = resource === apiAudience(issuerUrl) ? 'ad_' : 'wl_';
  const byName = said !== undefined && shown === 'person' && isName(said);
  const clientId = byName ? await findNamed({ prove, clients }, token, said) : said;
  const proved = await prove(token, { shown, client: clientId, prefers, compact });
  const { client: id, audience, tokenAudience, details, expiresAt, replay } = proved;
  if (shown === 'platform' && audience !== tokenAudience)
    throw new ProofRefused(`its audience (aud) must be "${tokenAudience}" at the token endpoint, and nothing else`);
  const client = await clients.find(id, (row) => row.seal === undefined && row.state === 'active');
  if (!client) throw new ProofRefused('its client is not registered any more');
  // A sign-in is over when it is over.
  const outlives = (row: ClientRow): number => (shown === 'person' ? 0 : row.maxOutliveSeconds);
  const proof: Proof = {
    ...{ replay, details, endsAt: expiresAt + outlives(client) },
    as: shown === 'person' ? (details.person ?? details.external_subject.slice(0, 100)) : undefined,
    again: async () => {
      const again = await prove(token, { shown, client: id }).catch((error: unknown) => {
        if (error instanceof ProofRefused) return undefined;
        throw error;
      });
      if (!again || again.details.identity !== details.identity) return undefined;
      if (again.tokenAudience !== tokenAudience) return undefined;
      const fresh = await clients.read(id);
      // The token is signed already: it may live shorter than it could, never longer.
      if (!fresh || outlives(fresh) < outlives(client)) return undefined;
      proof.replay = again.replay;
      return asOf(fresh, again);
    },
  };
  return { client: asOf(client, proved), proof };
}

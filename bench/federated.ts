// federated_vs_private_key_mint: a token for a platform's token against one for an assertion by a key of the client's own.
import { createId } from '../src/ids.ts';
import {
  type BenchClient,
  buildTokenRequest,
  createClient,
  insertClients,
  signPlatformToken,
  type TokenEndpoint,
} from './clients.ts';
import { buildRequest, sendAll } from './load.ts';
import { median, type Result } from './report.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

const CLIENTS = 256;
const ISSUER = 'https://cluster.example';

type Db = Parameters<typeof insertClients>[0];

const subjectOf = ({ id }: BenchClient): string => `system:serviceaccount:bench:${id.slice(3)}`;

/** One issuer whose keys are pasted, and an identity of it for each client: by subject and by the account's uid. */
async function insertIdentities(db: Db, platform: BenchClient, clients: readonly BenchClient[]): Promise<void> {
  const id = createId('ti');
  const none = { audience: null, jwks_uri: null, one_time: false, max_token_seconds: 86_400, state: 'active' as const };
  const jwks = JSON.stringify({ keys: [platform.jwk] });
  await db
    .insertInto('trusted_issuers')
    .values({ id, name: 'cluster', kind: 'kubernetes', issuer: ISSUER, algorithms: ['ES256'], jwks, ...none })
    .execute();
  const identities = clients.map((client) => ({
    ...{ id: createId('wi'), workload: client.id, trusted_issuer: id, subject: subjectOf(client) },
    ...{ report_only: false, wildcard_reason: null },
    claims: JSON.stringify({ '/kubernetes.io/serviceaccount/uid': client.kid }),
  }));
  await db.insertInto('workload_identities').values(identities).execute();
}

function buildFederatedRequest(client: BenchClient, platform: BenchClient, endpoint: TokenEndpoint): Buffer {
  const claims = {
    ...{ iss: ISSUER, sub: subjectOf(client), aud: [endpoint.issuerUrl] },
    'kubernetes.io': { namespace: 'bench', serviceaccount: { name: client.id.slice(3), uid: client.kid } },
  };
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: signPlatformToken(platform, claims),
    client_id: client.id,
    resource: endpoint.resource,
  });
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return buildRequest(endpoint.url, 'POST', type, form.toString());
}

export async function measureFederated({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 300, 8] : [7, 8000, 48];
  const clients = Array.from({ length: CLIENTS }, createClient);
  const platform = createClient();
  const { url, database } = await postgres.createDatabase();
  await insertClients(database.db, clients);
  await insertIdentities(database.db, platform, clients);
  const home = await createHome();
  const service = await startService(home, url);
  const endpoint = {
    url: `${service.url}/oauth2/token`,
    issuerUrl: service.url,
    resource: `${service.url}/v1/credentials`,
  };
  try {
    const of = (index: number): BenchClient => clients[index % CLIENTS] as BenchClient;
    const rates: Record<'own' | 'federated', number[]> = { own: [], federated: [] };
    const run = async (side: 'own' | 'federated', count = true): Promise<void> => {
      const signed = Array.from({ length: requests }, (_, index) =>
        side === 'own' ? buildTokenRequest(of(index), endpoint) : buildFederatedRequest(of(index), platform, endpoint),
      );
      const seconds = await sendAll(endpoint.url, signed, connections);
      if (count) rates[side].push(requests / seconds);
    };
    for (const side of ['own', 'federated'] as const) await run(side, false);
    const runs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      // Which goes first changes each round: neither always has the other's wake.
      for (const side of round % 2 === 1 ? (['own', 'federated'] as const) : (['federated', 'own'] as const))
        await run(side);
      runs.push((rates.federated.at(-1) as number) / (rates.own.at(-1) as number));
      say(`round ${round} of ${rounds}: ${runs.at(-1)?.toFixed(2)}`);
    }
    const describe = (side: number[]): string =>
      `${median(side).toFixed(0)} tokens/s (${side.map((rate) => rate.toFixed(0)).join(' ')})`;
    return {
      ...{ name: 'federated_vs_private_key_mint', ratio: median(runs), runs, target: { atLeast: 0.9 } },
      baseline:
        'tokens/s of POST /oauth2/token for a service account token (ES256, keys pasted, matched by subject and uid), against private_key_jwt (ES256), each token durable',
      figures: {
        federated: describe(rates.federated),
        private_key_jwt: describe(rates.own),
        load: `${CLIENTS} workloads, ${connections} connections, ${requests} requests a round, signed beforehand, one warm-up round`,
      },
    };
  } finally {
    await service.stop();
    home.remove();
  }
}

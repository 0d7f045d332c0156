// token_vs_bare_oidc_provider: what hardening, decisions and durable audit cost beside oidc-provider alone.
import { type BenchClient, buildTokenRequest, createClient, insertClients, type TokenEndpoint } from './clients.ts';
import { sendAll } from './load.ts';
import { type Started, startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

interface Side {
  started: Started;
  endpoint: TokenEndpoint;
  /** Tokens a second, a round. */
  rates: number[];
  /** Processor seconds a second, a round. */
  loads: number[];
}

// More than oidc-provider would keep by itself, read from an adapter.
const CLIENTS = 256;

async function runRound(
  side: Side,
  clients: readonly BenchClient[],
  requests: number,
  connections: number,
): Promise<number> {
  const signed = Array.from({ length: requests }, (_, index) =>
    buildTokenRequest(clients[index % clients.length] as BenchClient, side.endpoint),
  );
  const before = side.started.cpuSeconds();
  const seconds = await sendAll(side.endpoint.url, signed, connections);
  const after = side.started.cpuSeconds();
  side.rates.push(requests / seconds);
  if (before !== undefined && after !== undefined) side.loads.push((after - before) / seconds);
  return requests / seconds;
}

function endpointAt({ url }: Started): TokenEndpoint {
  return { url: `${url}/oauth2/token`, issuerUrl: url, resource: `${url}/v1/credentials` };
}

function describe({ rates, loads }: Side): string {
  const load = loads.length > 0 ? `, ${median(loads).toFixed(2)} cores` : '';
  return `${median(rates).toFixed(0)} tokens/s${load} (${rates.map((rate) => rate.toFixed(0)).join(' ')})`;
}

export async function measureToken({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 300, 8] : [7, 8000, 48];
  const clients = Array.from({ length: CLIENTS }, createClient);
  const { url, database } = await postgres.createDatabase();
  await insertClients(database.db, clients);
  const home = await createHome();
  const started = await Promise.all([
    startService(home, url),
    startServer('bare-oidc-provider', { CLIENTS: JSON.stringify(clients.map(({ id, jwk }) => ({ id, jwk }))) }),
  ]);
  try {
    const [ours, bare] = started.map(
      (one): Side => ({ started: one, endpoint: endpointAt(one), rates: [], loads: [] }),
    ) as [Side, Side];
    for (const side of [ours, bare]) await runRound({ ...side, rates: [], loads: [] }, clients, requests, connections);
    const runs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      // Which goes first changes each round: neither always has the other's wake.
      const order = round % 2 === 1 ? [ours, bare] : [bare, ours];
      for (const side of order) await runRound(side, clients, requests, connections);
      runs.push((ours.rates.at(-1) as number) / (bare.rates.at(-1) as number));
      say(`round ${round} of ${rounds}: ${runs.at(-1)?.toFixed(2)}`);
    }
    return {
      ...{ name: 'token_vs_bare_oidc_provider', ratio: median(runs), runs, target: { atLeast: 0.75 } },
      baseline:
        'tokens/s of POST /oauth2/token, ES256 private_key_jwt, JWT for a resource, every token and its replay key durable, against oidc-provider alone on node:http in memory, static clients, no audit',
      figures: {
        countersign: describe(ours),
        'bare oidc-provider': describe(bare),
        load: `${CLIENTS} clients, ${connections} connections, ${requests} requests a round, assertions signed beforehand, one warm-up round`,
      },
    };
  } finally {
    await Promise.all(started.map((one) => one.stop()));
    home.remove();
  }
}

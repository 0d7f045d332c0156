// A service with connections to be asked for, in front of a stub of STS, and workloads' tokens that open all of them.
import { createAct } from '../src/audit/act.ts';
import { createAuditStream } from '../src/audit/stream.ts';
import { bumpEpoch, ensurePartitions } from '../src/audit/store.ts';
import { createAwsKms } from '../src/clouds/aws-kms.ts';
import { systemClock } from '../src/clock.ts';
import { DEFAULT_POLICY } from '../src/keys/policy.ts';
import { loadKeyring } from '../src/keys/keyring/load.ts';
import { createRings } from '../src/keys/rings.ts';
import { readClock } from '../src/keys/store.ts';
import { prepareDatabase } from '../src/prepare.ts';
import { type BenchClient, buildTokenRequest, createClient, insertClients } from './clients.ts';
import { seedConnections } from './connections.ts';
import { type Answered, buildRequest, type Line, openLine } from './load.ts';
import { type Started, startServer } from './processes.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

export interface BrokerSide {
  service: Started;
  stub: Started;
  line: Line;
  /** A new token of a workload, the first unless given, which opens all connections. */
  fetchToken(workload?: number): Promise<string>;
  /** Of the connections that have keys. */
  ids: string[];
  /** A request for a session of so many seconds, an hour unless given, by a token that was fetched before. */
  requestFor(id: string, seconds?: number, token?: string): Buffer;
  /** What an operator's change does to decisions: all before it are made again. */
  bumpEpoch(): Promise<void>;
  /** What STS was asked so far, and how long that took it. */
  spent(): Promise<{ calls: number; milliseconds: number }>;
  stop(): Promise<void>;
}

interface BrokerOptions {
  connections: number;
  asked: number;
  /** 1 unless given. */
  workloads?: number;
  latencyMs?: number;
  deniedSeconds?: number;
  env?: Record<string, string>;
}

export async function askFor(line: Line, request: Buffer): Promise<Answered> {
  const answer = await line.ask(request);
  if (answer.status !== 200) throw new Error(`the service answered ${answer.status}: ${answer.body.slice(0, 500)}`);
  return answer;
}

/**
 * @param latencyMs what STS takes for each call
 * @param deniedSeconds sessions of that length are denied
 * @param env more for the service
 */
export async function startBroker(
  postgres: Surroundings['postgres'],
  { connections, asked, workloads = 1, latencyMs = 0, deniedSeconds = 0, env = {} }: BrokerOptions,
): Promise<BrokerSide> {
  const { url, database } = await postgres.createDatabase();
  const { db } = database;
  const home = await createHome();
  const keyring = await loadKeyring(db, { sources: [{ file: home.kekFile }], mayCreate: false, kms: createAwsKms() });
  await ensurePartitions(db, new Date());
  const acts = createAuditStream({ database, clock: systemClock });
  await prepareDatabase({
    act: createAct(acts),
    rings: createRings({ db, keyring, readClock }),
    readClock,
    issuerUrl: home.issuerUrl,
    keyPolicy: DEFAULT_POLICY,
  });
  await acts.close();
  const clients = Array.from({ length: workloads }, createClient);
  await insertClients(db, clients);
  const ids = await seedConnections(db, {
    ...{ workloads: clients.map((client) => client.id), count: connections, asked, kek: keyring.wrapping() },
  });
  const conduct = { LATENCY_MS: String(latencyMs), DENIED_SECONDS: String(deniedSeconds) };
  const stub = await startServer('stub-sts', conduct);
  const service = await startService(home, url, {
    ...{ STS_ENDPOINT_URL: stub.url, RATE_LIMIT_PER_CLIENT: '1000000', MAX_CONNECTIONS_PER_ADDRESS: '4096', ...env },
  });
  const line = await openLine(service.url);
  const endpoint = {
    url: `${service.url}/oauth2/token`,
    issuerUrl: service.url,
    resource: `${service.url}/v1/credentials`,
  };
  const fetchToken = async (workload = 0): Promise<string> => {
    const { body } = await askFor(line, buildTokenRequest(clients[workload] as BenchClient, endpoint));
    return (JSON.parse(body) as { access_token: string }).access_token;
  };
  const first = await fetchToken();
  return {
    ...{ service, stub, line, fetchToken, ids },
    requestFor: (id, seconds = 3600, token = first) =>
      buildRequest(`${service.url}/v1/connections/${id}/credentials?duration_seconds=${seconds}`, 'GET', {
        authorization: `Bearer ${token}`,
      }),
    bumpEpoch: () => db.transaction().execute(bumpEpoch),
    spent: async () => (await (await fetch(`${stub.url}/spent`)).json()) as { calls: number; milliseconds: number },
    stop: async () => {
      line.close();
      await Promise.all([service.stop(), stub.stop()]);
      home.remove();
    },
  };
}

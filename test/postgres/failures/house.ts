// One replica with everything around it real: PostgreSQL in a folder of its own, the sandbox, a clock that can be bent.
import { generateKeyPairSync } from 'node:crypto';
import pg from 'pg';
import type { Test } from 'tap';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import { createStack, startTestSandbox } from '../../support/connect-account.ts';
import { type BentClock, createBentClock } from '../../support/bent-clock.ts';
import { createFullDisk, type FullDisk } from '../../support/full-disk.ts';
import { keepPrivateKey } from '../../support/known-secrets.ts';
import { type Cluster, startPostgres } from '../../support/postgres.ts';
import { type ServiceProcess, startProcess, startProxy, writeKek } from '../../support/process.ts';
import { assertion, call, postToken, tokenForm } from '../../support/service.ts';

const ACCOUNT = '111122223333';

export interface House {
  cluster: Cluster;
  sandbox: Sandbox;
  service: ServiceProcess;
  /** `cn_…` of an active connection. */
  connection: string;
  /** `is_…` of it. */
  issuer: string;
  /** Host token with every scope, and a workload token for credentials, both held from before. */
  tokens: { api: string; credentials: string };
  /** For every connection granted, or for this one, which costs a query; a new assertion each time. */
  askToken(connection?: string): ReturnType<typeof call>;
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): ReturnType<typeof call>;
  credentials(): ReturnType<typeof call>;
  /** As the database's superuser, on a connection of its own. */
  sql(text: string): Promise<void>;
  /** Puts the process's clock ahead; 0 puts it right. */
  bendClock: BentClock['bend'];
  disk: FullDisk;
}

async function untilActive(api: House['api'], id: string): Promise<void> {
  const { body } = await api('GET', `/v1/connections/${id}?wait=active&timeout_seconds=20`);
  if (body.state !== 'active') throw new Error(`not active: ${JSON.stringify(body)}`);
}

/** @throws Error where a real part is missing */
export async function startHouse(t: Test): Promise<House> {
  const clock = createBentClock(t);
  const cluster = await startPostgres();
  const disk = createFullDisk(cluster);
  t.teardown(async () => {
    disk.unmount();
    await cluster.remove();
  });
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const proxy = await startProxy(t);
  const service = await startProcess(t, {
    ...{ ISSUER_URL: proxy.url, DATABASE_URL: cluster.url, KEY_ENCRYPTION_KEY_FILE: writeKek(t) },
    // Documents outlive every fault here; the view is too old to sign with before long.
    ...{ KEY_POLICY_OLDEST_SERVED_SECONDS: '120', KEY_POLICY_OLDEST_SIGNED_SECONDS: '5' },
    // No ring rotates by itself meanwhile.
    ...{ KEY_POLICY_PERIOD_SECONDS: '3600', STS_ENDPOINT_URL: sandbox.url },
    ...clock.env,
  });
  proxy.targets = [service.url];
  const tokens = { api: await service.hostToken(), credentials: '' };
  let duration = 900;
  const api: House['api'] = (method, path, body, headers = {}) =>
    call(service.url, method, path, body, { authorization: `Bearer ${tokens.api}`, ...headers });

  const aws = { account_id: ACCOUNT, permission_set: 'read-only' };
  const created = (await api('POST', '/v1/connections', { name: 'A customer', aws })).body;
  const connection: string = created.id;
  await createStack(sandbox, ACCOUNT, 'countersign', (await api('GET', `/v1/connections/${connection}/template`)).body);
  await api('POST', `/v1/connections/${connection}/verify`, {});
  await untilActive(api, connection);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  keepPrivateKey('the private key of a client', privateKey);
  const keys = [publicKey.export({ format: 'jwk' })];
  const workload = (await api('POST', '/v1/workloads', { slug: 'billing', keys })).body;
  await api('POST', '/v1/grants', { workload: workload.id, selector: { connection } });
  const client = { id: workload.id, slug: 'billing', kid: workload.keys[0].kid, privateKey };
  const askToken = async (of?: string) => {
    const resource = of === undefined ? '/v1/credentials' : `/v1/connections/${of}/credentials`;
    return await postToken(service.url, tokenForm(await assertion(proxy.url, client), proxy.url + resource));
  };
  tokens.credentials = (await askToken()).body.access_token;
  return {
    ...{
      cluster,
      sandbox,
      service,
      connection,
      issuer: created.issuer.id,
      tokens,
      askToken,
      api,
      disk,
      bendClock: clock.bend,
    },
    credentials: () => {
      // Each another session, so that each is an exchange.
      duration += 1;
      return call(
        service.url,
        'GET',
        `/v1/connections/${connection}/credentials?duration_seconds=${duration}`,
        undefined,
        {
          authorization: `Bearer ${tokens.credentials}`,
        },
      );
    },
    sql: async (text) => {
      const client = new pg.Client({ connectionString: cluster.url });
      await client.connect();
      try {
        await client.query(text);
      } finally {
        await client.end();
      }
    },
  };
}

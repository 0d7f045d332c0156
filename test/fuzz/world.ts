// What is fuzzed: a service with something of everything, an account that lets it in, and callers of each kind.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { SCOPES } from '../../src/http/scopes.ts';
import { EgressRefused } from '../../src/reach/egress.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { createForge } from '../support/forge.ts';
import { writeKek } from '../support/process.ts';
import { assertion, registerClient, startTestService, type TestClient, type TestService } from '../support/service.ts';

export const CALLERS = ['host', 'administrator', 'auditor', 'workload', 'plain', 'nobody', 'stranger'] as const;
export type Caller = (typeof CALLERS)[number];

export interface FuzzWorld {
  service: TestService;
  /** Values for `{{name:n}}`; grows with what is made. */
  pools: Record<string, string[]>;
  /** An Authorization header; undefined for nobody. */
  authorize(caller: Caller, operation: { path: string }, pick: number): Promise<string | undefined>;
  /** Fresh client assertions: a good one first, then such as must be refused. */
  assertions(): Promise<string[]>;
  /** A digest of each table that requests change on purpose. */
  digest(): Promise<Record<string, string>>;
  /** Names of what the service did by itself since the last call: acts of its own on record. */
  ownActs(): Promise<string[]>;
  /** Lifts the seal, so that what comes next can be carried out. */
  unseal(): Promise<void>;
}

/** The log of requests is no state, nor are replay keys. */
const RECORDS = new Set(['audit', 'replay_keys']);

/** When the service looks at a row again, and how far it is: it moves them without an act. */
const OWN_COLUMNS: Record<string, string[]> = {
  rings: ['changed_xid', 'next_rotation_at'],
  rotation_runs: ['listed', 'next_at', 'ended_at'],
};

async function createDigest({ database: { db } }: TestService): Promise<FuzzWorld['digest']> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    order by 1`.execute(db);
  const parts = rows
    .filter(({ name }) => !RECORDS.has(name))
    .map(
      ({ name }) =>
        sql`select ${name}::text as name, md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) as digest
          from (select to_jsonb(r) - ${OWN_COLUMNS[name] ?? []}::text[] as row from ${sql.table(name)} r) t`,
    );
  const query = sql<{ name: string; digest: string }>`${sql.join(parts, sql` union all `)}`;
  return async () => Object.fromEntries((await query.execute(db)).rows.map(({ name, digest }) => [name, digest]));
}

export async function openFuzzWorld(t: Test): Promise<FuzzWorld> {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, {
    // No name is looked up: whatever chance calls an issuer, nobody waits for it.
    egress: async (url) => {
      throw new EgressRefused(url.href);
    },
    env: {
      ...{ STS_ENDPOINT_URL: sandbox.url, KEY_ENCRYPTION_KEY_FILE: writeKek(t), KEY_ENCRYPTION_KEYS: writeKek(t) },
      TEMPLATE_URL: 'https://bucket.s3.amazonaws.com/countersign.yaml',
      // No ring is due while requests are compared.
      KEY_POLICY_PERIOD_SECONDS: '1000000',
    },
  });
  const { issuerUrl } = service.config;
  const register = (slug: string, kind: 'workloads' | 'administrators', scopes: string[] = []): Promise<TestClient> =>
    registerClient(service, { slug, kind, scopes });
  // Callers stand apart from what is changed, or they would soon be suspended.
  const callers: Partial<Record<Caller, TestClient>> = {
    administrator: await register('caller-admin', 'administrators', [...SCOPES]),
    auditor: await register('caller-auditor', 'administrators', ['audit:read', 'connections:read', 'grants:write']),
    workload: await register('caller-workload', 'workloads', [...SCOPES]),
    plain: await register('caller-plain', 'workloads'),
  };
  const active = await connectAccount(service, sandbox);
  const granted = await service.call('POST', '/v1/grants', {
    workload: callers.plain?.id,
    selector: { connection: active.id },
    purpose: 'default',
  });
  if (granted.status !== 201) throw new Error(JSON.stringify(granted.body));
  const drill = await service.call('POST', '/v1/key-drills');
  const target = await service.call('POST', '/v1/publishing/targets', { target: '/srv/documents' });
  if (target.status !== 201) throw new Error(JSON.stringify(target.body));
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cluster = await service.call('POST', '/v1/trusted-issuers', {
    ...{ name: 'cluster', kind: 'oidc', issuer: 'https://cluster.example' },
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] },
  });
  if (cluster.status !== 201) throw new Error(JSON.stringify(cluster.body));
  const people = await service.call('POST', '/v1/trusted-issuers', {
    ...{ name: 'people', kind: 'oidc', issuer: 'https://people.example', login: { client_id: 'countersign' } },
  });
  if (people.status !== 201) throw new Error(JSON.stringify(people.body));
  const pools: Record<string, string[]> = {
    target: [target.body.id],
    trusted_issuer: [cluster.body.id, people.body.id],
    ...{ workload: [], connection: [], grant: [], administrator: [], kid: ['A'.repeat(43)], issuer: [], cursor: [] },
    active: [active.id],
    drill: [drill.body.issuer],
    client: [callers.plain?.id ?? ''],
    resource: [`${issuerUrl}/v1/credentials`, `${issuerUrl}/v1`, issuerUrl, 'https://sts.amazonaws.com'],
  };
  pools['resource']?.push(`${issuerUrl}/v1/connections/${active.id}/credentials`, `${issuerUrl}/oauth2/token`);
  const forge = await createForge(service);
  const { db } = service.database;
  let looked = new Date(Date.now() - 1000);

  const stranger = async (pick: number): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    const good = await forge({});
    const bad = [
      randomBytes(30).toString('base64url'),
      await forge({ iat: now - 1000, exp: now - 400 }),
      await forge({ aud: issuerUrl }),
      await forge({ sub: `wl_${'a'.repeat(26)}`, client_id: `wl_${'a'.repeat(26)}` }),
      await forge({}, { typ: 'JWT' }),
      `${good.slice(0, -8)}AAAAAAAA`,
      `${good}.`,
    ];
    return bad[pick % bad.length] as string;
  };

  const digest = await createDigest(service);
  return {
    ...{ service, pools, digest },
    authorize: async (caller, { path }, pick) => {
      if (caller === 'nobody') return undefined;
      if (caller === 'stranger') return `Bearer ${await stranger(pick)}`;
      const client = callers[caller];
      const sub = client?.id ?? 'host';
      const aud = path.endsWith('/credentials') ? `${issuerUrl}/v1/credentials` : `${issuerUrl}/v1`;
      return `Bearer ${await forge({ sub, client_id: sub, aud, scope: SCOPES.join(' ') })}`;
    },
    assertions: async () => {
      const [plain, other] = [callers.plain, callers.workload] as [TestClient, TestClient];
      const now = Math.floor(Date.now() / 1000);
      return await Promise.all([
        ...Array.from({ length: 6 }, () => assertion(issuerUrl, plain)),
        assertion(issuerUrl, other),
        assertion(issuerUrl, callers.administrator as TestClient),
        assertion(issuerUrl, { ...plain, privateKey: other.privateKey }),
        assertion(issuerUrl, plain, { exp: now - 100 }),
        assertion(issuerUrl, { ...plain, id: `wl_${'b'.repeat(26)}` }),
        assertion(issuerUrl, plain, { aud: [issuerUrl] }),
      ]);
    },
    ownActs: async () => {
      const since = looked;
      looked = new Date();
      const rows = await db
        .selectFrom('audit')
        .select('kind')
        // Its own, or one ring of a rotation that somebody asked for.
        .where((row) => row.or([row('actor', '=', 'system'), row('row', 'like', '%"run":"ro_%')]))
        .where('at', '>=', new Date(since.getTime() - 200))
        .execute();
      return rows.map(({ kind }) => kind);
    },
    unseal: async () => {
      // Of a key that signs now: the one that signed the host's first token may be revoked.
      const token = await forge({
        ...{ sub: 'host', client_id: 'host', aud: `${issuerUrl}/v1`, scope: 'service:seal' },
        reason: 'go on',
      });
      const { status } = await service.call('POST', '/v1/service/unseal', undefined, { token });
      if (status !== 200) throw new Error(`not unsealed: ${status}`);
    },
  };
}

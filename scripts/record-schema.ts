// `npm run record:schema -- [migration]`: a database of that schema with rows of each table, for the tests of version N beside N-1.
//
// Run it before a migration is added, and commit what it writes beside that migration: test/db/recorded/<newest so far>.sql.
// Rows are made by the service itself, over its API; test/db/recorded.test.ts runs every later version on them.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import type { Test } from 'tap';
import { connectPostgres, type Database } from '../src/db/connect.ts';
import { connectAccount, startTestSandbox } from '../test/support/connect-account.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { RECORDED, writeRecordedKek } from '../test/support/recorded.ts';
import { registerClient, startTestService, workloadToken } from '../test/support/service.ts';

const MIGRATIONS = join(import.meta.dirname, '../migrations');
const names = readdirSync(MIGRATIONS)
  .map((file) => file.slice(0, -4))
  .sort();

async function migrateUpTo(database: Database, last: string): Promise<void> {
  const chosen = names.filter((name) => name <= last);
  const migrations = Object.fromEntries(
    chosen.map((name) => {
      const script = readFileSync(join(MIGRATIONS, `${name}.sql`), 'utf8');
      return [name, { up: (db: Database['db']) => database.runScript(db, script) }];
    }),
  );
  const migrator = new Migrator({ db: database.db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw new Error('a migration failed', { cause: error });
}

/** A bit of everything that a service in use has. */
async function use(t: Test, database: Database): Promise<void> {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 0 });
  const env = { STS_ENDPOINT_URL: sandbox.url, KEY_ENCRYPTION_KEY_FILE: writeRecordedKek(folder) };
  const service = await startTestService(t, { database, env });
  const connection = await connectAccount(service, sandbox, { body: { reference: 'acme', labels: { stage: 'prod' } } });
  const expect = async (status: number, ...call: Parameters<typeof service.call>) => {
    const answer = await service.call(...call);
    if (answer.status !== status) throw new Error(`${call[0]} ${call[1]}: ${JSON.stringify(answer.body)}`);
    return answer.body as { id: string; items: { keys: { kid: string; state: string }[] }[] };
  };
  const other = await expect(201, 'POST', '/v1/connections', {
    name: 'Never connected',
    aws: { account_id: '444455556666', permission_set: 'core', additions: ['s3'] },
  });
  await expect(200, 'GET', `/v1/connections/${other.id}/template`);
  await registerClient(service, { slug: 'ann', scopes: ['audit:read'], kind: 'administrators' });
  const workload = await registerClient(service, { slug: 'billing', audiences: ['https://ledger.example'] });
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await expect(
    201,
    ...(['POST', '/v1/workloads', { slug: 'once', keys: [publicKey.export({ format: 'jwk' })] }] as const),
    { headers: { 'idempotency-key': 'recorded' } },
  );
  await expect(201, 'POST', '/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  await expect(201, 'POST', '/v1/grants', {
    workload: workload.id,
    ...{ selector: { label: 'stage=prod' }, purpose: 'labels', max_session_seconds: 1800, tags: { team: 'x' } },
  });
  const path = `/v1/connections/${connection.id}/credentials`;
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}${path}`);
  await expect(200, 'GET', path, undefined, { token });
  await expect(200, 'POST', '/v1/keys/platform/rotate', { now: true });
  const [ring] = (await expect(200, 'GET', '/v1/keys/platform')).items;
  const kid = ring?.keys.find((key) => key.state === 'verify_only')?.kid;
  await expect(200, 'POST', '/v1/keys/platform/revoke', { kid });
  await service.close();
}

function dump(url: string): string {
  const text = execFileSync('pg_dump', ['--inserts', '--no-owner', '--no-privileges', '--no-comments', url], {
    encoding: 'utf8',
  });
  // Settings of pg_dump's own session, and lines for psql alone.
  const kept = text.split('\n').filter((line) => !/^(SET |\\|--|SELECT pg_catalog\.set_config)/.test(line));
  return `-- Recorded by scripts/record-schema.ts: change that, not this.\n${kept.join('\n').replaceAll(/\n{2,}/g, '\n')}`;
}

const last = process.argv[2] ?? names.at(-1) ?? '';
if (!names.includes(last)) throw new Error(`${last} is no migration; there are ${names.join(', ')}`);
const folder = mkdtempSync(join(tmpdir(), 'countersign-record-'));
const ends: (() => unknown)[] = [];
const t = { teardown: (end: () => unknown) => void ends.unshift(end) } as unknown as Test;
try {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const database = connectPostgres({ url: cluster.url });
  t.teardown(() => database.close());
  await migrateUpTo(database, last);
  await use(t, database);
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  // No call makes one yet.
  await client.query("insert into holds select id, 0, now(), now(), 'recorded', 'host' from rings limit 1");
  await client.end();
  writeFileSync(join(RECORDED, `${last}.sql`), dump(cluster.url));
  console.log(`written test/db/recorded/${last}.sql`);
} finally {
  for (const end of ends) await end();
  rmSync(folder, { recursive: true, force: true });
}

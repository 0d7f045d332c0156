// Version N beside N-1: this commit serves a database of every recorded schema as it stands, and goes on while it is migrated.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { hashRow, ORIGIN } from '../../src/audit/chain.ts';
import type { Database } from '../../src/db/connect.ts';
import { listMissing, migrate } from '../../src/db/migrate.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { connectAccount, createStack, startTestSandbox } from '../support/connect-account.ts';
import { dumpTables } from '../support/dump.ts';
import { listRecorded, openRecorded, writeRecordedKek } from '../support/recorded.ts';
import { registerClient, startTestService, tempDir, type TestService, workloadToken } from '../support/service.ts';

/** Rows of these are only ever added, by the service and by migrations alike. */
const FACTS = ['audit', 'issuers', 'signing_keys', 'activations', 'holds', 'revocations', 'key_policies'];

/** Tokens, credentials, keys, registries and the log, each by the door that its caller uses. */
async function useAll(t: Test, service: TestService, sandbox: Sandbox, round: string): Promise<void> {
  const expect = async (status: number, ...call: Parameters<typeof service.call>) => {
    const answer = await service.call(...call);
    t.equal(
      answer.status,
      status,
      `${call[0]} ${call[1]} ${status === answer.status ? '' : JSON.stringify(answer.body)}`,
    );
    return answer.body as { id: string; kid: string; items: { id: string; slug: string }[]; issuer: { id: string } };
  };
  const workloads = (await expect(200, 'GET', '/v1/workloads?limit=100')).items;
  const recorded = workloads.find(({ slug }) => slug === 'billing');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kid } = await expect(201, 'POST', `/v1/workloads/${recorded?.id}/keys`, {
    jwk: publicKey.export({ format: 'jwk' }),
  });
  const client = { id: recorded?.id as string, slug: 'billing', kid, privateKey };
  const { issuerUrl } = service.config;
  const acme = await expect(200, 'GET', '/v1/connections/acme');
  for (const id of [acme.id, (await connectAccount(service, sandbox)).id]) {
    const path = `/v1/connections/${id}/credentials`;
    if (id !== acme.id) await expect(201, 'POST', '/v1/grants', { workload: client.id, selector: { connection: id } });
    const token = await workloadToken(service, client, `${issuerUrl}${path}`);
    t.match(await expect(200, 'GET', path, undefined, { token }), { AccessKeyId: /^ASIA/ });
  }
  await registerClient(service, { slug: `made-${round}` });
  await expect(200, 'PATCH', `/v1/workloads/${client.id}`, { description: round });
  await expect(202, 'POST', `/v1/keys/${acme.issuer.id}/rotate`, {});
  await expect(200, 'GET', '/v1/audit?limit=5');
  await expect(200, 'GET', `/c/${acme.issuer.id}/jwks`);
}

async function verifyChains(t: Test, { db }: Database): Promise<number> {
  const rows = await db
    .selectFrom('audit')
    .select(['month', 'stream', 'seq', 'row', 'hash'])
    .orderBy('stream')
    .orderBy('month')
    .orderBy('seq')
    .execute();
  let head = { ...ORIGIN, stream: '' };
  const broken = rows.filter(({ stream, seq, row, hash }) => {
    const before = stream === head.stream ? head : { ...ORIGIN, stream };
    head = { stream, seq, hash };
    return seq !== before.seq + 1 || !hashRow(before.hash, row).equals(hash);
  });
  t.same(broken, [], 'every row is chained to the one before it');
  return rows.length;
}

/** What of `before` is no longer there; a migration may add columns behind those that a row had. */
function missingFrom(before: Record<string, string[]>, after: Record<string, string[]>, tables: string[]): string[] {
  return tables.flatMap((table) => {
    const now = new Set(after[table]);
    const kept = (row: string): boolean =>
      now.has(row) || (after[table] ?? []).some((longer) => longer.startsWith(`${row.slice(0, -1)},`));
    return (before[table] ?? []).filter((row) => !kept(row)).map((row) => `${table}: ${row}`);
  });
}

for (const name of listRecorded()) {
  t.test(`on a database of ${name}`, async (t) => {
    const database = await openRecorded(t, name);
    const missing = await listMissing(database);
    t.ok(missing.length > 0, `without ${missing.join(', ')}`);
    // A busy machine: what is seen of the keys may be older than the recorded policy has it.
    await database.db.updateTable('key_policies').set({ d_seconds: 30, r_seconds: 30 }).execute();
    const recorded = await dumpTables(database.db);
    const empty = Object.keys(recorded).filter((table) => recorded[table]?.length === 0);
    t.same(
      empty.filter((table) => !/^(replay_keys|kysely_)/.test(table)),
      [],
      'rows of each table were recorded',
    );
    const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
    const env = { STS_ENDPOINT_URL: sandbox.url, KEY_ENCRYPTION_KEY_FILE: writeRecordedKek(tempDir(t)) };
    // The issuer has moved to where this test listens.
    const moveTo = async (url: string) => {
      await database.db.updateTable('service').set({ issuer_url: url }).execute();
    };
    const service = await startTestService(t, { database, env, before: ({ issuerUrl }) => moveTo(issuerUrl) });
    const acme = (await service.call('GET', '/v1/connections/acme')).body;
    const template = await service.call('GET', `/v1/connections/${acme.id}/template?format=yaml`);
    await createStack(sandbox, acme.aws.account_id, 'recorded', template.body);
    // Its role is this sandbox's, and not the one that was pinned when this was recorded.
    await database.db.updateTable('aws_connections').set({ role_id: null }).where('connection', '=', acme.id).execute();

    await useAll(t, service, sandbox, 'before');
    t.same(await listMissing(database), missing, 'nothing was migrated by that');
    const before = await dumpTables(database.db);
    t.same(missingFrom(recorded, before, FACTS), [], 'what was recorded is there');

    t.same(await migrate(database), missing);
    const after = await dumpTables(database.db);
    t.same(
      missingFrom(before, after, [...FACTS, 'workloads', 'administrators', 'connections', 'aws_connections', 'grants']),
      [],
      'all rows are kept',
    );

    await useAll(t, service, sandbox, 'after');
    await service.close();
    t.ok((await verifyChains(t, database)) > (recorded['audit']?.length ?? 0));
  });
}

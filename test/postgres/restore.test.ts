// Backup and restore as docs/backup.md says it, for real: dump, lose the cluster, restore into another, start again.
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import t, { type Test } from 'tap';
import { DEPLOY } from '../deploy/read.ts';
import { listCodeBlocks, readPage } from '../docs/pages.ts';
import { type Cluster, findPostgresBinaries, startPostgres } from '../support/postgres.ts';
import { type ServiceProcess, startProcess, startProxy, writeKek } from '../support/process.ts';
import { assertion, call, postToken, tempDir, type TestClient, tokenForm } from '../support/service.ts';
import { until } from '../support/until.ts';
import { generateKeyPairSync } from 'node:crypto';

const BINARIES = findPostgresBinaries() ?? '';

/** The variables of the driver's own programs, as the superuser. */
function superuser(cluster: Cluster): Record<string, string> {
  const { hostname, port, password } = new URL(cluster.url);
  return {
    PATH: `${BINARIES}:/usr/bin:/bin`,
    PGHOST: hostname,
    PGPORT: port,
    PGPASSWORD: password,
    PGUSER: 'postgres',
  };
}

// The ways to the service and to the database lead through this process: it never stands still.
const execute = promisify(execFile);

async function run(cluster: Cluster, program: string, ...argv: string[]): Promise<void> {
  await execute(program, argv, { env: superuser(cluster) });
}

/** The roles and the empty database of deploy/compose/roles.sh. */
async function makeRoles(cluster: Cluster, secrets: string): Promise<void> {
  await execute('sh', [join(DEPLOY, 'compose/roles.sh')], { env: { ...superuser(cluster), SECRETS: secrets } });
}

/** The same as docs/install.md and docs/backup.md say it, in SQL. */
async function makeRolesByThePages(cluster: Cluster): Promise<void> {
  const [install = ''] = listCodeBlocks(readPage('docs/install.md'), 'sql');
  const [restore = ''] = listCodeBlocks(readPage('docs/backup.md'), 'sql');
  const passwords = ['owner', 'database'].map((of) => `of-the-${of}-password`);
  const script = `${install}${restore}`.replaceAll("'…'", () => `'${passwords.shift()}'`);
  const argv = script.split('\n').flatMap((line) => (line.trim() === '' ? [] : ['--command', line]));
  await run(cluster, 'psql', '--no-psqlrc', '--set=ON_ERROR_STOP=1', '--dbname=postgres', ...argv);
}

async function query<Row extends object>(cluster: Cluster, text: string, database = 'countersign'): Promise<Row[]> {
  const url = new URL(cluster.url);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

interface Switch {
  port: number;
  /** Where new connections go; those that stand are cut. */
  turnTo(cluster: Cluster): void;
}

/** Stands between the service and PostgreSQL, as the name of a database server does. */
async function startSwitch(t: Test): Promise<Switch> {
  let target = 0;
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    incoming.pipe(outgoing).pipe(incoming);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  t.teardown(() => {
    server.close();
    cut();
  });
  return {
    port: (server.address() as AddressInfo).port,
    turnTo: (cluster) => {
      target = Number(new URL(cluster.url).port);
      cut();
    },
  };
}

t.test('a database that went back in time', async (t) => {
  const secrets = join(tempDir(t), 'secrets');
  mkdirSync(secrets, { mode: 0o700 });
  for (const name of ['owner-password', 'database-password']) writeFileSync(join(secrets, name), `of-the-${name}\n`);
  const before = await startPostgres();
  t.teardown(() => before.remove());
  await makeRoles(before, secrets);
  const way = await startSwitch(t);
  way.turnTo(before);
  const proxy = await startProxy(t);
  const kek = writeKek(t);
  const env = {
    ISSUER_URL: proxy.url,
    DATABASE_URL: `postgres://countersign@127.0.0.1:${way.port}/countersign`,
    DATABASE_PASSWORD_FILE: join(secrets, 'database-password'),
    MIGRATE_DATABASE_URL: `postgres://countersign_owner@127.0.0.1:${way.port}/countersign`,
    MIGRATE_DATABASE_PASSWORD_FILE: join(secrets, 'owner-password'),
    KEY_ENCRYPTION_KEY_FILE: kek,
    // So long that nothing rotates by itself meanwhile.
    KEY_POLICY_PERIOD_SECONDS: '3600',
  };
  // That the start does not refuse says that the roles of deploy/ are those that it wants.
  const service = await startProcess(t, env);
  proxy.targets = [service.url];
  let host = await service.hostToken();
  const ask = async (at: ServiceProcess, method: string, path: string, body?: unknown, token = host) =>
    await call(at.url, method, path, body, { authorization: `Bearer ${token}`, 'countersign-reason': 'a%20test' });
  const kids = async (): Promise<string[]> =>
    ((await call(proxy.url, 'GET', '/jwks')).body.keys as { kid: string }[]).map(({ kid }) => kid).sort();

  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = await ask(service, 'POST', '/v1/workloads', {
    slug: 'billing',
    keys: [publicKey.export({ format: 'jwk' })],
  });
  t.equal(made.status, 201);
  const billing: TestClient = { id: made.body.id, slug: 'billing', kid: made.body.keys[0].kid, privateKey };
  const mint = async () =>
    await postToken(proxy.url, tokenForm(await assertion(proxy.url, billing), `${proxy.url}/v1`));
  const minted = await mint();
  t.equal(minted.status, 200);
  const published = await kids();

  // The backup: the database here, the key-encryption key (and nothing else of the service) elsewhere.
  const dump = join(before.dir, 'countersign.dump');
  await run(before, 'pg_dump', '--format=custom', `--file=${dump}`, 'countersign');
  const kept = join(tempDir(t), 'countersign.dump');
  copyFileSync(dump, kept);
  chmodSync(kept, 0o600);

  // What happens after it, and is lost.
  t.equal((await ask(service, 'PATCH', `/v1/workloads/${billing.id}`, { state: 'suspended' })).status, 200);
  t.not((await mint()).status, 200, 'suspended');
  const rotated = await ask(service, 'POST', '/v1/keys/platform/rotate', { now: true });
  t.equal(rotated.status, 200, JSON.stringify(rotated.body));
  const later = await kids();
  const lost = later.filter((kid) => !published.includes(kid));
  t.equal(lost.length, 1, 'a standby that the backup does not know');

  const after = await startPostgres();
  t.teardown(() => after.remove());
  await makeRolesByThePages(after);
  const [restore = ''] = listCodeBlocks(readPage('docs/backup.md'), 'sh').filter((code) => code.includes('pg_restore'));
  const line =
    restore
      .split('\n')
      .find((text) => text.trim().startsWith('pg_restore'))
      ?.trim() ?? '';
  t.match(line, 'countersign.dump');
  const argv = line
    .split(/\s+/)
    .slice(1)
    .map((word) => (word === 'countersign.dump' ? kept : word));
  await run(after, 'pg_restore', ...argv);
  // It counts beyond the one that was lost, as a cluster that is used may: the counter does not tell that it is older.
  await query(after, 'do $$ begin for i in 1..500 loop perform pg_current_xact_id(); commit; end loop; end $$');
  const [chainQuery = ''] = listCodeBlocks(readPage('docs/security-team.md'), 'sql');
  const broken = () => query<{ kind: string }>(after, chainQuery.replace(/;\s*$/, ''));

  await t.test('a replica that runs on sees it, and forgets what the backup does not know', async (t) => {
    await before.remove();
    way.turnTo(after);
    const forgot = async (): Promise<boolean> => {
      const { status, body } = await call(proxy.url, 'GET', '/jwks');
      return status === 200 && !body.keys.some(({ kid }: { kid: string }) => lost.includes(kid));
    };
    t.ok(await until(forgot));
    t.same(await kids(), published, 'the keys of the backup, and no other');
    host = await service.hostToken();
    t.equal((await ask(service, 'GET', '/v1/keys/platform')).status, 200);
    t.match(
      await broken(),
      [{ kind: 'token.minted' }],
      'its stream goes on, and the chain names the rows that are lost',
    );
    t.equal(await service.stop(), 0);
    // From here on as the page says: nobody runs while the database is made anew.
    await query(after, 'drop database countersign with (force)', 'postgres');
    await query(after, 'create database countersign owner countersign_owner', 'postgres');
    await run(after, 'pg_restore', ...argv);
  });

  await t.test('another key-encryption key is refused by name', async (t) => {
    await t.rejects(startProcess(t, { ...env, KEY_ENCRYPTION_KEY_FILE: writeKek(t) }), /kek_wrong/);
  });

  const again = await startProcess(t, env);
  proxy.targets = [again.url];
  host = await again.hostToken();

  await t.test('with the same key: keys verify, tokens are minted, the chain is whole', async (t) => {
    t.same(await kids(), published);
    t.match(await ask(again, 'GET', '/v1/whoami', undefined, minted.body.access_token), {
      status: 200,
      body: { id: billing.id },
    });
    t.equal((await mint()).status, 200);
    t.same(await broken(), []);
    t.ok(Number((await query<{ rows: string }>(after, 'select count(*) as rows from audit'))[0]?.rows) > 3);
    const created = await ask(again, 'POST', '/v1/workloads', { slug: 'reporting', keys: [] });
    t.equal(created.status, 201, 'and it writes');
  });

  await t.test('what was done after the backup is undone, until somebody does it again', async (t) => {
    t.match(await ask(again, 'GET', `/v1/workloads/${billing.id}`), { body: { state: 'active' } });
    t.equal((await ask(again, 'PATCH', `/v1/workloads/${billing.id}`, { state: 'suspended' })).status, 200);
    t.not((await mint()).status, 200);
    const [standby] = later.filter((kid) => published.includes(kid) && kid === rotated.body.kid);
    t.ok(standby, 'the key that signed since the backup is the standby in it');
    const revoked = await ask(again, 'POST', '/v1/keys/platform/revoke', { kid: standby, accept_outage: true });
    t.equal(revoked.status, 200, JSON.stringify(revoked.body));
    t.notOk((await kids()).includes(standby ?? ''));
  });
  t.equal(await again.stop(), 0);
});

// The start on a PostgreSQL: who may migrate, as whom the service runs, and what it refuses by name, with what to run.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import t, { type Test } from 'tap';
import { ensurePartitions } from '../../src/audit/store.ts';
import { connectPostgres, type Database } from '../../src/db/connect.ts';
import { readDatabase } from '../../src/db/environment.ts';
import { listMissing, migrate } from '../../src/db/migrate.ts';
import { migrateAsOwner, type Prepared, preparePostgres } from '../../src/db/open.ts';
import { readRole } from '../../src/db/role.ts';
import { assertDurable, readServerSettings } from '../../src/db/server.ts';
import { type Cluster, startPostgres } from '../support/postgres.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

let cluster: Cluster;
t.before(async () => {
  cluster = await startPostgres();
});
t.teardown(() => cluster.remove());

async function run(url: string, ...statements: string[]): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    let result: pg.QueryResult | undefined;
    for (const statement of statements) result = await client.query(statement);
    return result as pg.QueryResult;
  } finally {
    await client.end();
  }
}

interface Place {
  /** Of the superuser, of the owner of the database, and of a login for the service, to the same database. */
  superuser: string;
  owner: string;
  service: string;
}

/** A database with an owner as docs/install.md has it. */
async function makePlace(options: { ownerAttributes?: string; grant?: boolean } = {}): Promise<Place> {
  const { ownerAttributes = 'createrole', grant = true } = options;
  const suffix = randomBytes(4).toString('hex');
  const [owner, service] = [`owner_${suffix}`, `service_${suffix}`];
  await run(
    cluster.url,
    `create role ${owner} login password 'pw' ${ownerAttributes}`,
    `create role ${service} login password 'pw'`,
    `create database db_${suffix} owner ${owner}`,
  );
  const as = (user: string): string => {
    const url = new URL(cluster.url);
    if (user !== '') Object.assign(url, { username: user, password: 'pw' });
    url.pathname = `/db_${suffix}`;
    return url.href;
  };
  const place = { superuser: as(''), owner: as(owner), service: as(service) };
  if (grant) {
    await migrateAsOwner(configOf({ DATABASE_URL: place.owner }));
    await run(place.owner, `grant countersign_service to ${service}`);
  }
  return place;
}

function configOf(values: Parameters<typeof readDatabase>[0]) {
  const problems: string[] = [];
  const config = readDatabase(values, problems);
  if (!config || problems.length > 0) throw new Error(problems.join());
  return config;
}

async function open(t: Test, values: Parameters<typeof readDatabase>[0]): Promise<Prepared & { database: Database }> {
  const config = configOf(values);
  const database = connectPostgres({ address: config.service, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => database.close());
  return { database, ...(await preparePostgres(database, config)) };
}

function connect(t: Test, url: string): Database {
  const database = connectPostgres({ url, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => database.close());
  return database;
}

t.test('the service may not alter the schema, nor change audit rows and facts', async (t) => {
  const { service, owner } = await makePlace();
  const opened = await open(t, { DATABASE_URL: service, MIGRATE_DATABASE_URL: owner });
  t.equal(opened.tooMuch, undefined);
  const checked = await open(t, { DATABASE_URL: service, MIGRATE: 'check' });
  t.same([checked.applied, checked.tooMuch], [[], undefined]);
  const { db } = opened.database;
  await ensurePartitions(db, new Date());
  await sql`insert into audit (month, stream, seq, at, kind, row, hash) values (date_trunc('month', now())::date, 's', 1, now(), 'k', '{}', '')`.execute(
    db,
  );
  const { rows: partitions } = await sql<{ name: string; owner: string }>`
    select c.oid::regclass::text as name, pg_get_userbyid(relowner)::text as owner
    from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = 'audit'::regclass`.execute(db);
  t.ok(partitions.length > 0);
  for (const { owner: made } of partitions) t.equal(made, new URL(owner).username, 'made for the owner');
  const facts = ['signing_keys', 'activations', 'holds', 'revocations', 'key_policies', 'issuers'];
  const refused = [
    ...['update audit set row = \'{"a":1}\'', 'delete from audit', 'truncate audit', 'drop table audit'],
    ...partitions.flatMap(({ name }) => [
      ...[`update ${name} set row = 'x'`, `delete from ${name}`, `truncate ${name}`, `drop table ${name}`],
      `select * from ${name}`,
    ]),
    ...facts.flatMap((name) => [`delete from ${name}`, `truncate ${name}`]),
    ...["update signing_keys set public = ''", "update activations set actor = ''", "update holds set actor = ''"],
    ...[
      "update revocations set actor = ''",
      'update key_policies set a_seconds = 1',
      "update issuers set kind = 'platform'",
    ],
    ...["update rings set issuer = ''", 'delete from rings', 'delete from workloads', 'delete from connections'],
    ...['create table x (n int)', 'alter table audit add column x int', 'drop table grants', 'create schema x'],
    ...['create function f() returns int language sql as $$select 1$$', 'alter table audit disable trigger all'],
    ...["update service_privileges set privileges = 'all'", 'select apply_service_privileges()'],
    ...[
      "insert into kysely_migration values ('x', '')",
      'create role x',
      'set role countersign_service; create table x ()',
    ],
  ];
  for (const statement of refused)
    await t.rejects(sql.raw(statement).execute(db), /permission denied|must be owner/, statement);
  t.equal((await sql<{ n: number }>`select count(*) as n from audit`.execute(db)).rows[0]?.n, 1);
});

t.test('every table says what the service may do with it', async (t) => {
  const { owner } = await makePlace();
  const { rows } = await run(
    owner,
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'S', 'v') and not relispartition
       and relname <> 'kysely_migration_lock' and relname not in (select relation from service_privileges)`,
  );
  t.same(rows, [], 'a migration that makes a table adds its row to service_privileges');
});

t.test('the owner, a superuser, and one who may too much', async (t) => {
  const { service, owner, superuser } = await makePlace();
  const [ownerName, serviceName] = [new URL(owner).username, new URL(service).username];
  const asOwner = await open(t, { DATABASE_URL: owner });
  t.match(asOwner.tooMuch, {
    detail: new RegExp(`role ${ownerName}, which owns its tables`),
    hint: /create role .* login .*grant countersign_service to .*MIGRATE_DATABASE_URL/,
  });
  t.match((await open(t, { DATABASE_URL: superuser })).tooMuch, { detail: /which is a superuser/ });
  const strict: [values: Parameters<typeof readDatabase>[0], detail: RegExp][] = [
    [{ DATABASE_URL: owner, MIGRATE: 'check' }, /owns its tables/],
    [{ DATABASE_URL: owner, MIGRATE_DATABASE_URL: owner }, /owns its tables/],
    [{ DATABASE_URL: superuser, MIGRATE: 'check' }, /is a superuser/],
  ];
  for (const [values, message] of strict) await t.rejects(open(t, values), { code: 'database_role_too_much', message });
  await run(owner, `grant update (row) on audit to ${serviceName}`);
  await t.rejects(open(t, { DATABASE_URL: service, MIGRATE: 'check' }), {
    ...{ code: 'database_role_too_much', message: /may change rows of audit/, hint: /revoke all/ },
  });
  await run(owner, `revoke update (row) on audit from ${serviceName}`, `grant ${ownerName} to ${serviceName}`);
  await t.rejects(open(t, { DATABASE_URL: service, MIGRATE: 'check' }), {
    ...{ code: 'database_role_too_much', message: /owns its tables/ },
  });
});

t.test('check applies nothing, and says what is missing and what to run', async (t) => {
  const { owner, service } = await makePlace({ grant: false });
  await t.rejects(open(t, { DATABASE_URL: owner, MIGRATE: 'check' }), {
    ...{ code: 'migration_missing', message: /lacks 0001_base, .*0003_service_role/, hint: /countersign migrate/ },
  });
  t.ok((await listMissing(connect(t, owner))).includes('0001_base'), 'nothing was applied');
  const both = configOf({ DATABASE_URL: service, MIGRATE_DATABASE_URL: owner });
  t.ok((await migrateAsOwner(both)).includes('0003_service_role'));
  const serviceName = new URL(service).username;
  await t.rejects(open(t, { DATABASE_URL: service, MIGRATE: 'check' }), {
    ...{ code: 'database_role_lacks', hint: new RegExp(`grant countersign_service to ${serviceName}`) },
  });
  await run(owner, `grant countersign_service to ${serviceName}`);
  await open(t, { DATABASE_URL: service, MIGRATE: 'check' });
});

t.test('a migration takes longer than a query may, and waits for a lock no longer', async (t) => {
  const { owner, superuser } = await makePlace({ grant: false });
  await run(
    superuser,
    `create function slow() returns event_trigger language plpgsql as $$ begin
       if current_setting('lock_timeout') <> '1s' then raise 'lock_timeout is %', current_setting('lock_timeout'); end if;
       if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'public.service')
       then perform pg_sleep(2.5); end if;
     end $$`,
    "create event trigger slow on ddl_command_end when tag in ('CREATE TABLE') execute function slow()",
  );
  const applied = await migrateAsOwner(configOf({ DATABASE_URL: owner }), {
    queryTimeoutMs: 1000,
    connectTimeoutMs: PATIENCE_MS,
  });
  t.ok(applied.includes('0001_base'));
});

t.test('a newer migration that is applied while this commit waits for the lock is left alone', async (t) => {
  const { owner } = await makePlace();
  const [newer, older] = [connect(t, owner).db, connect(t, owner)];
  const { waiting } = await newer.connection().execute(async (db) => {
    const { adapter } = db.getExecutor();
    const lock = { lockTable: '', lockRowId: '' };
    await adapter.acquireMigrationLock(db, lock);
    const waiting = migrate(older);
    const isWaiting = async (): Promise<boolean> =>
      (await sql`select from pg_locks where locktype = 'advisory' and not granted`.execute(db)).rows.length > 0;
    t.ok(await until(isWaiting, 60_000));
    await sql`insert into kysely_migration values ('9999_from_the_future', '2027-01-01T00:00:00Z')`.execute(db);
    await adapter.releaseMigrationLock(db, lock);
    return { waiting };
  });
  t.same(await waiting, []);
});

t.test('a service that has to migrate and may not says so', async (t) => {
  const { service } = await makePlace({ grant: false });
  await t.rejects(open(t, { DATABASE_URL: service }), {
    ...{ code: 'migration_not_allowed', hint: /MIGRATE_DATABASE_URL/ },
  });
});

t.test('an owner who may not make roles migrates, and the grants follow once somebody has made the role', async (t) => {
  const alone = await startPostgres();
  t.teardown(() => alone.remove());
  await run(alone.url, "create role owner login password 'pw'", 'create database db owner owner');
  const as = (user: string): string => {
    const url = new URL(alone.url);
    if (user !== '') Object.assign(url, { username: user, password: 'pw' });
    return Object.assign(url, { pathname: '/db' }).href;
  };
  const opened = await open(t, { DATABASE_URL: as('owner') });
  t.ok(opened.applied.includes('0003_service_role'), 'an upgrade goes on');
  t.match(opened.tooMuch, { hint: /create role countersign_service nologin/ });
  await run(
    as(''),
    'create role countersign_service nologin',
    "create role service login password 'pw' in role countersign_service",
  );
  const config = { DATABASE_URL: as('service'), MIGRATE_DATABASE_URL: as('owner') };
  t.equal((await open(t, config)).tooMuch, undefined);
  t.same((await readRole(connect(t, as('service')).db)).lacks, []);
});

t.test('several databases of one cluster migrate at once', async (t) => {
  const alone = await startPostgres();
  t.teardown(() => alone.remove());
  const names = ['one', 'two', 'three', 'four'];
  for (const name of names) await run(alone.url, `create database ${name}`);
  const databases = names.map((name) => connect(t, Object.assign(new URL(alone.url), { pathname: `/${name}` }).href));
  const applied = await Promise.all(databases.map((database) => migrate(database)));
  for (const list of applied) t.ok(list.includes('0003_service_role'));
  for (const { db } of databases)
    t.same(
      (await sql`select has_table_privilege('countersign_service', 'audit', 'insert') as granted`.execute(db)).rows,
      [{ granted: true }],
    );
});

t.test('commits that a crash would lose are refused, wherever that was set', async (t) => {
  const { superuser, service } = await makePlace();
  const [name, database] = [new URL(service).username, new URL(service).pathname.slice(1)];
  const attempt = () => open(t, { DATABASE_URL: service, MIGRATE: 'check' });
  const off = {
    code: 'database_synchronous_commit_off',
    hint: new RegExp(`alter role ${name} set synchronous_commit`),
  };
  const places = [
    [`alter role ${name} set synchronous_commit = off`, `alter role ${name} reset synchronous_commit`],
    [`alter database ${database} set synchronous_commit = off`, `alter database ${database} reset synchronous_commit`],
  ] as const;
  for (const [set, reset] of places) {
    await run(superuser, set);
    await t.rejects(attempt(), off, set);
    await run(superuser, reset);
  }
  for (const level of ['local', 'remote_write', 'on']) {
    await run(superuser, `alter role ${name} set synchronous_commit = ${level}`);
    await attempt();
  }
  const settings = await readServerSettings(connect(t, service).db);
  t.throws(() => assertDurable({ ...settings, version: 140_011 }), {
    ...{ code: 'database_too_old', message: 'PostgreSQL 14 answers, and 15 is the oldest that will do.' },
  });
  const careless = await startPostgres({ fsync: 'off' });
  t.teardown(() => careless.remove());
  await t.rejects(open(t, { DATABASE_URL: careless.url }), {
    ...{ code: 'database_fsync_off', hint: /alter system set fsync = on/ },
  });
  const hasty = await startPostgres({ synchronous_commit: 'off' });
  t.teardown(() => hasty.remove());
  await t.rejects(open(t, { DATABASE_URL: hasty.url }), { code: 'database_synchronous_commit_off' });
});

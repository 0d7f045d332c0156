// A fresh, migrated database for each test, on the engine of this run: copied from a template, dropped at teardown.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import type { Test } from 'tap';
import { connectPostgres, type Database, openEmbedded } from '../../src/db/connect.ts';
import { migrate } from '../../src/db/migrate.ts';
import { SERVICE_ROLE } from '../../src/db/role.ts';
import { keepSecret } from './known-secrets.ts';
import { searchDatabase, searchPostgres } from './leaks.ts';
import { PATIENCE_MS } from './until.ts';

/** Of this run, by `COUNTERSIGN_TEST_ENGINE`; PGlite unless said otherwise. */
export const engine: Database['engine'] =
  process.env.COUNTERSIGN_TEST_ENGINE === 'postgresql' ? 'postgresql' : 'pglite';

const ROOT = join(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/countersign');
const TEMPLATE_LOCK = 20_251_121;

/** Changes with whatever makes a template another: the migrations, the embedded engine, and how it is made here. */
function nameTemplate(): string {
  const hash = createHash('sha256');
  const folder = join(ROOT, 'migrations');
  for (const file of readdirSync(folder).sort()) hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  hash.update(readFileSync(join(ROOT, 'node_modules/@electric-sql/pglite/package.json')));
  hash.update(readFileSync(import.meta.filename));
  return `countersign_template_${hash.digest('hex').slice(0, 16)}`;
}

function readAdminUrl(): string {
  const url = process.env.TEST_DATABASE_URL;
  if (url) return url;
  throw new Error(
    'Tests on PostgreSQL need TEST_DATABASE_URL (a role that may create databases); `npm test -- <file>` brings one.',
  );
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function asAdmin<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: readAdminUrl(), connectionTimeoutMillis: PATIENCE_MS });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A login in the service's group, and in nothing else: what an operator makes for the service. */
const SERVICE_LOGIN = 'countersign_test_login';
const ROLE_DEADLINES = { statement_timeout: '5s', lock_timeout: '5s', idle_in_transaction_session_timeout: '10s' };
const servicePassword = (): string => createHash('sha256').update(`service of ${readAdminUrl()}`).digest('hex');

/** Once per cluster, whichever test process comes first; the others wait for it. */
async function ensurePostgresTemplate(client: pg.Client, name: string): Promise<void> {
  await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  const found = await client.query('select 1 from pg_database where datname = $1 and datistemplate', [name]);
  if (found.rowCount === 0) {
    await client.query(`drop database if exists ${name} with (force)`);
    await client.query(`create database ${name}`);
    const database = connectPostgres({
      url: withDatabase(readAdminUrl(), name),
      applicationName: 'countersign-template',
      connectTimeoutMs: PATIENCE_MS,
      statementTimeoutMs: PATIENCE_MS,
    });
    try {
      await migrate(database);
    } finally {
      await database.close();
    }
    await client.query(`alter database ${name} is_template true`);
  }
  const login = await client.query('select 1 from pg_roles where rolname = $1', [SERVICE_LOGIN]);
  if (login.rowCount === 0)
    await client.query(`create role ${SERVICE_LOGIN} login password '${servicePassword()}' in role ${SERVICE_ROLE}`);
  // For those that come through a pooler, as docs/install.md has it.
  for (const [name, value] of Object.entries(ROLE_DEADLINES))
    await client.query(`alter role ${SERVICE_LOGIN} set ${name} = '${value}'`);
  await client.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
}

const template = nameTemplate();
let ensured: Promise<void> | undefined;

/** An empty migrated PostgreSQL database; dropped, whoever is still connected, when the test ends. */
async function createPostgresDatabase(t: Test): Promise<string> {
  const name = `countersign_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await (ensured ??= asAdmin((client) => ensurePostgresTemplate(client, template)));
  await asAdmin((client) => client.query(`create database ${name} template ${template}`));
  const url = withDatabase(readAdminUrl(), name);
  t.teardown(async () => {
    await searchPostgres(t, url).finally(() =>
      asAdmin((client) => client.query(`drop database if exists ${name} with (force)`)),
    );
  });
  return url;
}

/** PGlite takes a second to make a cluster and a third of one to load it: make it once per set of migrations. */
async function loadEmbeddedTemplate(): Promise<Blob> {
  const file = join(CACHE, `${template}.tar`);
  try {
    return new Blob([readFileSync(file)]);
  } catch {
    const dir = mkdtempSync(join(tmpdir(), 'countersign-template-'));
    const database = await openEmbedded({ dir });
    await migrate(database).finally(() => database.close());
    const pglite = await PGlite.create(join(dir, 'pglite'));
    // Every file of the template is written again for each test: two databases that nobody opens are most of them.
    await pglite.exec("update pg_database set datistemplate = false where datname like 'template%'");
    for (const unused of ['template0', 'template1']) await pglite.exec(`drop database ${unused}`);
    await pglite.exec('checkpoint');
    const dump = await pglite.dumpDataDir('none');
    await pglite.close();
    mkdirSync(CACHE, { recursive: true });
    const isOld = (name: string): boolean => name.startsWith('countersign_template_') && !name.startsWith(template);
    for (const old of readdirSync(CACHE).filter(isOld)) rmSync(join(CACHE, old), { force: true });
    // Two processes may both come here: each writes its own file, and the last rename wins.
    const own = `${file}.${process.pid}`;
    writeFileSync(own, Buffer.from(await dump.arrayBuffer()));
    renameSync(own, file);
    rmSync(dir, { recursive: true, force: true });
    return dump;
  }
}

const urls = new WeakMap<Test, Promise<string>>();

/** Each call gives another database: fresh, migrated, closed and dropped when `t` ends. */
export async function openTestDatabase(t: Test): Promise<Database> {
  if (engine === 'postgresql') {
    const url = createPostgresDatabase(t);
    urls.set(t, url);
    const database = connectPostgres({
      ...{ url: await url, applicationName: 'countersign-test' },
      connectTimeoutMs: PATIENCE_MS,
    });
    t.teardown(() => database.close());
    return database;
  }
  const database = await openEmbedded({ loadDataDir: await loadEmbeddedTemplate() });
  t.teardown(() => searchDatabase(t, database).finally(() => database.close()));
  return database;
}

/**
 * For tests that start several processes or pools: the URL of the database last opened for `t`, or of a fresh one.
 * @returns undefined on PGlite, which one process alone can use.
 */
export async function testDatabaseUrl(t: Test): Promise<string | undefined> {
  if (engine === 'pglite') return undefined;
  const url = urls.get(t) ?? createPostgresDatabase(t);
  urls.set(t, url);
  return url;
}

/** The same database as the service's own role, where the engine has roles; dropped and closed with `t`. */
export async function openAsService(t: Test, owner: Database): Promise<Database> {
  const url = await testServiceUrl(t);
  if (url === undefined) return owner;
  const database = connectPostgres({
    ...{ url, applicationName: 'countersign-test-service' },
    connectTimeoutMs: PATIENCE_MS,
  });
  t.teardown(() => database.close());
  return database;
}

/** As `testDatabaseUrl`, of the service's own role. */
export async function testServiceUrl(t: Test): Promise<string | undefined> {
  const url = await testDatabaseUrl(t);
  if (url === undefined) return undefined;
  const own = new URL(url);
  own.username = SERVICE_LOGIN;
  own.password = keepSecret('the password of DATABASE_URL', servicePassword());
  return own.href;
}

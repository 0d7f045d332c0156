// The databases that tests get: migrated, apart from one another, and shared by URL where a test asks for it.
import { sql } from 'kysely';
import t from 'tap';
import { connectPostgres } from '../../src/db/connect.ts';
import { engine, openTestDatabase, testDatabaseUrl } from '../support/databases.ts';
import { PATIENCE_MS } from '../support/until.ts';

t.test('each call gives a migrated database of its own', async (t) => {
  const one = await openTestDatabase(t);
  const other = await openTestDatabase(t);
  t.equal(one.engine, engine);
  const applied = await sql<{ name: string }>`select name from kysely_migration`.execute(one.db);
  t.ok(applied.rows.length > 0, 'migrations are applied');
  await sql`create table mark (n int)`.execute(one.db);
  await t.rejects(sql`select * from mark`.execute(other.db), 'the other does not see it');
});

t.test('a second pool reaches the same database by its URL', async (t) => {
  const database = await openTestDatabase(t);
  const url = await testDatabaseUrl(t);
  if (url === undefined) return t.equal(engine, 'pglite', 'the embedded engine has no URL');
  await sql`create table mark (n int)`.execute(database.db);
  const second = connectPostgres({ url, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => second.close());
  const found = await sql<{ n: number }>`select count(*) n from mark`.execute(second.db);
  t.equal(found.rows[0]?.n, 0);
});

t.test('a URL without an opened database is of a fresh one', async (t) => {
  const url = await testDatabaseUrl(t);
  t.equal(url === undefined, engine === 'pglite');
});

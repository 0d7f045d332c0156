// Migrations: once, by whoever comes first, and a newer one that this commit does not know is no obstacle.
import pg from 'pg';
import t from 'tap';
import { connectPostgres, type Database, openEmbedded } from '../../src/db/connect.ts';
import { migrate } from '../../src/db/migrate.ts';
import { engine, testDatabaseUrl } from '../support/databases.ts';
import { tempDir } from '../support/service.ts';

/** Databases over the same, empty storage. */
async function openEmpty(t: Parameters<typeof testDatabaseUrl>[0], count: number): Promise<Database[]> {
  if (engine === 'pglite') {
    const database = await openEmbedded();
    t.teardown(() => database.close());
    return [database];
  }
  const url = (await testDatabaseUrl(t)) as string;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('drop schema public cascade');
  await client.query('create schema public');
  await client.end();
  return Array.from({ length: count }, () => {
    const database = connectPostgres({ url });
    t.teardown(() => database.close());
    return database;
  });
}

t.test('several at once apply each migration once', async (t) => {
  const databases = await openEmpty(t, 4);
  const applied = await Promise.all(databases.map((database) => migrate(database)));
  const first = applied.flat();
  t.equal(new Set(first).size, first.length);
  t.ok(first.includes('0001_base'));
  t.same(await migrate(databases[0] as Database), []);
});

t.test('a newer migration that this commit does not know is left alone', async (t) => {
  const [database] = (await openEmpty(t, 1)) as [Database];
  await migrate(database);
  await database.db
    .insertInto('kysely_migration' as never)
    .values({ name: '9999_from_the_future', timestamp: new Date().toISOString() } as never)
    .execute();
  t.same(await migrate(database), []);
});

t.test('the embedded directory is one process, and is free again when it closes', async (t) => {
  const dir = tempDir(t);
  const database = await openEmbedded({ dir });
  await t.rejects(openEmbedded({ dir }), { code: 'embedded_directory_in_use' });
  await database.close();
  await (await openEmbedded({ dir })).close();
});

t.test('both engines answer with the same types', async (t) => {
  const [database] = (await openEmpty(t, 1)) as [Database];
  const { sql } = await import('kysely');
  const { rows } = await sql<Record<string, unknown>>`
    select 9007199254740991::bigint as bigint, '\\x00ff'::bytea as bytea, '2026-01-31'::date as date, '2026-01-31T00:00:00Z'::timestamptz as time,
      '{"a":[1]}'::jsonb as json, array['a','b']::text[] as list, 1.5::numeric as numeric, true as bool, null as nothing`.execute(
    database.db,
  );
  t.same(rows[0], {
    ...{
      bigint: 9_007_199_254_740_991,
      date: '2026-01-31',
      time: new Date('2026-01-31T00:00:00Z'),
      json: { a: [1] },
      list: ['a', 'b'],
      numeric: '1.5',
      bool: true,
      nothing: null,
    },
    bytea: Buffer.from([0, 255]),
  });
  t.ok(Buffer.isBuffer(rows[0]?.['bytea']));
});

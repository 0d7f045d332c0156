// Migrations: once, by whoever comes first, and a newer one that this commit does not know is no obstacle.
import { sql } from 'kysely';
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
    // Those that wait for the first one's lock are not hurried on a busy machine.
    const database = connectPostgres({
      url,
      statementTimeoutMs: 60_000,
      queryTimeoutMs: 60_000,
      connectTimeoutMs: 60_000,
    });
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

t.test('rings of a backup from a cluster that counted further are changed once, and no others', async (t) => {
  const [database] = (await openEmpty(t, 1)) as [Database];
  const { db } = database;
  await migrate(database);
  const times = { created_at: new Date(), next_rotation_at: new Date() };
  const markers = { is_old: '7', is_restored: '5000000000' };
  for (const [issuer, changed_xid] of Object.entries(markers)) {
    await db.insertInto('issuers').values({ id: issuer, kind: 'connection' }).execute();
    const ring = { id: issuer, issuer, algorithm: 'ES256', purpose: 'web_identity_token' } as const;
    await db
      .insertInto('rings')
      .values({ ...ring, ...times, changed_xid })
      .execute();
  }
  const read = async () => {
    const { rows } = await sql<{ id: string; marker: string; changed: boolean; ended: boolean }>`
      select id, changed_xid::text as marker, changed_xid >= ${horizon}::xid8 as changed,
             changed_xid < pg_snapshot_xmax(pg_current_snapshot()) as ended from rings order by id`.execute(db);
    return rows;
  };
  const { rows } = await sql<{ horizon: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`.execute(db);
  const horizon = rows[0]?.horizon ?? '';
  await migrate(database);
  const first = await read();
  t.match(first, [
    { id: 'is_old', marker: '7', changed: false },
    { id: 'is_restored', changed: true, ended: true },
  ]);
  await migrate(database);
  t.same(await read(), first, 'and not again');
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

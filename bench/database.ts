// PostgreSQL for the bench: TEST_DATABASE_URL, or a private cluster with the settings that PostgreSQL comes with.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { connectPostgres, type Database } from '../src/db/connect.ts';
import { migrate } from '../src/db/migrate.ts';
import { assertDurable, readServerSettings } from '../src/db/server.ts';
import { startPostgres } from '../test/support/postgres.ts';

export interface BenchPostgres {
  /** Version and durability, as the server tells them. */
  description: string;
  /** A fresh migrated database; dropped by `close`. */
  createDatabase(): Promise<{ url: string; database: Database }>;
  close(): Promise<void>;
}

async function readSetting(database: Database, name: string): Promise<string> {
  const { rows } = await sql<{ value: string }>`select current_setting(${name}) as value`.execute(database.db);
  return rows[0]?.value ?? '';
}

export interface BenchPostgresOptions {
  /** The server; TEST_DATABASE_URL unless said otherwise. */
  given?: string | undefined;
  /** Its figures mean nothing: rows need not be durable. */
  quick?: boolean;
}

/** @throws StartError where a row that is said to be durable would not be, and `quick` is not asked for. */
export async function openPostgres({
  given = process.env.TEST_DATABASE_URL,
  quick = false,
}: BenchPostgresOptions = {}): Promise<BenchPostgres> {
  const cluster = given ? undefined : await startPostgres();
  const url = given ?? cluster?.url ?? '';
  const admin = connectPostgres({ url, applicationName: 'countersign-bench', poolSize: 1, queryTimeoutMs: 60_000 });
  try {
    const settings = await readServerSettings(admin.db);
    if (!quick) assertDurable(settings);
  } catch (error) {
    await admin.close();
    await cluster?.remove();
    throw error;
  }
  const opened: { name: string; database: Database }[] = [];
  const settings = ['fsync', 'synchronous_commit', 'shared_buffers'];
  const values = await Promise.all(settings.map(async (name) => `${name} ${await readSetting(admin, name)}`));
  return {
    description: `PostgreSQL ${(await readSetting(admin, 'server_version')).split(' ')[0]} (${values.join(', ')})`,
    createDatabase: async () => {
      const name = `countersign_bench_${process.pid}_${randomBytes(4).toString('hex')}`;
      await sql.raw(`create database ${name}`).execute(admin.db);
      const own = new URL(url);
      own.pathname = `/${name}`;
      const database = connectPostgres({
        url: own.href,
        applicationName: 'countersign-bench',
        poolSize: 2,
        queryTimeoutMs: 300_000,
      });
      opened.push({ name, database });
      await migrate(database);
      return { url: own.href, database };
    },
    close: async () => {
      for (const { name, database } of opened) {
        await database.close();
        await sql.raw(`drop database if exists ${name} with (force)`).execute(admin.db);
      }
      await admin.close();
      await cluster?.remove();
    },
  };
}

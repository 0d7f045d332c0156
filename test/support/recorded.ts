// Databases of earlier schemas, as scripts/record-schema.ts recorded them: opened on either engine, under the key that wrapped their rows.
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { connectPostgres, type Database, openEmbedded } from '../../src/db/connect.ts';
import { engine, testDatabaseUrl } from './databases.ts';
import { PATIENCE_MS } from './until.ts';

export const RECORDED = join(import.meta.dirname, '../db/recorded');

/** Of recorded databases alone: it protects nothing. */
export function writeRecordedKek(dir: string): string {
  const file = join(dir, 'recorded.kek');
  writeFileSync(file, `${Buffer.alloc(32, 'recorded').toString('base64')}\n`);
  chmodSync(file, 0o600);
  return file;
}

/** Named by the newest migration that each has. */
export const listRecorded = (): string[] =>
  readdirSync(RECORDED)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -4))
    .sort();

/** As it was recorded: nothing is migrated. */
export async function openRecorded(t: Test, name: string): Promise<Database> {
  const script = readFileSync(join(RECORDED, `${name}.sql`), 'utf8');
  const url = await testDatabaseUrl(t);
  const database =
    engine === 'pglite' || !url
      ? await openEmbedded()
      : connectPostgres({ url, poolSize: 10, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => database.close());
  await sql`drop schema public cascade`.execute(database.db);
  await sql`create schema public`.execute(database.db);
  await database.runScript(database.db, script);
  return database;
}

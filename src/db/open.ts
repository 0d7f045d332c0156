// A PostgreSQL made ready for the service, in one attempt: who migrates, as whom the service runs, what it refuses.
import { StartError } from '../errors.ts';
import { connectPostgres, type Database, type PostgresOptions } from './connect.ts';
import type { DatabaseConfig } from './environment.ts';
import { listMissing, migrate } from './migrate.ts';
import { assertEnough, findTooMuch, readRole, type TooMuch } from './role.ts';
import {
  assertDeadlines,
  assertDurable,
  readServerSettings,
  refusesStartupParameter,
  type ServerSettings,
} from './server.ts';

export interface Prepared {
  /** Migrations applied now. */
  applied: string[];
  /** What the role may do beyond its part, where that is no reason to refuse. */
  tooMuch: TooMuch | undefined;
  /** Whether what is in between refused to pass on the deadlines, so that they are the role's own. */
  pooled: boolean;
}

/** The first question; a second time without the startup parameters that a pooler refused. */
async function greet(database: Database): Promise<{ settings: ServerSettings; pooled: boolean }> {
  try {
    return { settings: await readServerSettings(database.db), pooled: false };
  } catch (error) {
    if (!refusesStartupParameter(error)) throw error;
    database.omitStartupDeadlines?.();
    return { settings: await readServerSettings(database.db), pooled: true };
  }
}

/** An index on millions of rows takes minutes, and others wait for whoever migrates: as long as Kysely's lock does. */
export const MIGRATION_MS = 3_600_000;

/** Applies what is missing as the owner; @returns the names applied now. */
export async function migrateAsOwner(
  { service, owner }: DatabaseConfig,
  options: Pick<PostgresOptions, 'queryTimeoutMs' | 'connectTimeoutMs'> = {},
): Promise<string[]> {
  const address = owner ?? service;
  const database = connectPostgres({ ...options, address, poolSize: 1, statementTimeoutMs: MIGRATION_MS });
  try {
    await greet(database);
    return await migrate(database);
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error;
    throw new StartError(
      'migration_not_allowed',
      `A migration was refused by the database: ${(error as Error).message}.`,
      'Migrations need the owner of the tables: name it in MIGRATE_DATABASE_URL.',
    );
  } finally {
    await database.close();
  }
}

/** @throws StartError `migration_missing`: where MIGRATE=check, nothing may be missing. */
export function assertMigrated(missing: string[]): void {
  if (missing.length === 0) return;
  throw new StartError(
    'migration_missing',
    `The database lacks ${missing.join(', ')}, and MIGRATE=check applies nothing.`,
    'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables, then start again; or start with MIGRATE=auto.',
  );
}

/**
 * One attempt, on the pool that the service will use.
 * @throws StartError by name with what to do; the driver's own error where the server is not reached.
 */
export async function preparePostgres(database: Database, config: DatabaseConfig): Promise<Prepared> {
  const { settings, pooled } = await greet(database);
  assertDurable(settings);
  assertDeadlines(settings);
  const applied = config.migrate === 'auto' ? await migrateAsOwner(config) : [];
  const role = await readRole(database.db);
  assertEnough(role);
  if (config.migrate === 'check') assertMigrated(await listMissing(database));
  const tooMuch = findTooMuch(role);
  if (tooMuch && (config.migrate === 'check' || config.owner))
    throw new StartError('database_role_too_much', tooMuch.detail, tooMuch.hint);
  return { applied, tooMuch, pooled };
}

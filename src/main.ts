// The process: configuration, database, listen, signals.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import { systemClock } from './clock.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { connectPostgres, type Database, openEmbedded } from './db/connect.ts';
import { migrate } from './db/migrate.ts';
import { StartError } from './errors.ts';
import { startService } from './service.ts';

const REDACTED = [
  'authorization',
  'Authorization',
  'client_assertion',
  'access_token',
  'token',
  'SecretAccessKey',
  'Token',
  'sessionToken',
  'secretAccessKey',
  'password',
];

export function createLog(level: string): Logger {
  return pino({
    level,
    redact: {
      paths: REDACTED.flatMap((name) => [name, `*.${name}`, `req.headers.${name}`, `err.${name}`]),
      censor: '[redacted]',
    },
    serializers: { err: pino.stdSerializers.err },
  });
}

const START_RETRIES_MS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];

/** Connects and migrates; an unreachable PostgreSQL is waited for, in the open. */
async function openDatabase(config: Config, log: Logger): Promise<Database> {
  if (config.databaseUrl === undefined) {
    log.warn(
      { data_dir: config.dataDir },
      'embedded database: for evaluation and development; it has one connection and does not sync to disk. Set DATABASE_URL for PostgreSQL',
    );
    const database = await openEmbedded({ dir: join(config.dataDir, 'database') });
    await migrate(database);
    return database;
  }
  for (let attempt = 0; ; attempt += 1) {
    const database = connectPostgres({
      url: config.databaseUrl,
      onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'),
    });
    try {
      const applied = await migrate(database);
      if (applied.length > 0) log.info({ applied }, 'migrated');
      return database;
    } catch (error) {
      await database.close();
      const wait = START_RETRIES_MS[attempt];
      if (wait === undefined || !isConnectionTrouble(error)) {
        throw new StartError(
          'database_unreachable',
          `The database could not be opened: ${describe(error)}`,
          'Check DATABASE_URL, and that PostgreSQL runs and lets this host and user in.',
        );
      }
      log.warn({ reason: describe(error), retry_ms: wait }, 'the database does not answer yet; trying again');
      await delay(wait);
    }
  }
}

function isConnectionTrouble(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  return (
    /^(ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ENOENT|08|57P03)/.test(code) ||
    /timeout|terminated/i.test((error as Error).message ?? '')
  );
}

/** What the driver says, without the URL and its password. */
function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return [code, message?.replaceAll(/postgres(ql)?:\/\/\S+/g, '[DATABASE_URL]')].filter(Boolean).join(' ');
}

/** Applies migrations and exits; @returns the names applied. */
export async function migrateOnly(env: NodeJS.ProcessEnv): Promise<string[]> {
  const config = readConfig(env);
  const log = createLog('silent');
  const database =
    config.databaseUrl === undefined
      ? await openEmbedded({ dir: join(config.dataDir, 'database') })
      : connectPostgres({ url: config.databaseUrl, onError: (error) => log.warn(error) });
  try {
    return await migrate(database);
  } finally {
    await database.close();
  }
}

/** Runs the service until SIGTERM or SIGINT. */
export async function serve(env: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(env);
  const log = createLog(config.logLevel);
  const database = await openDatabase(config, log);
  const service = await startService(config, { database, clock: systemClock, log }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  log.info(
    {
      issuer_url: config.issuerUrl,
      internal_url: config.internalUrl,
      port: service.publicPort,
      internal_port: service.internalPort,
      socket: config.socketPath,
      database: database.engine,
    },
    'ready',
  );
  closeWithGrace({ delay: 20_000, logger: { error: (message) => log.error(message) } }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'stopping after an error that nobody caught');
    else log.info({ signal }, 'stopping');
    await service.close();
    await database.close();
  });
}

if (import.meta.main) {
  await serve(process.env).catch((error: unknown) => {
    if (error instanceof StartError)
      process.stderr.write(`countersign: ${error.code}: ${error.message}\n  ${error.hint}\n`);
    else if (error instanceof ConfigError) process.stderr.write(`countersign: ${error.message}\n`);
    else
      process.stderr.write(
        `countersign: could not start: ${error instanceof Error ? (error.stack ?? error.message) : 'for a reason that is no error'}\n`,
      );
    process.exit(1);
  });
}

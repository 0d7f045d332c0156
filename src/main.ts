// The process: configuration, database, listen, signals.
import { join } from 'node:path';
import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import { systemClock } from './clock.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { connectPostgres, type Database, openEmbedded } from './db/connect.ts';
import { migrate } from './db/migrate.ts';
import { migrateAsOwner, preparePostgres } from './db/open.ts';
import { StartError } from './errors.ts';
import { type Service, startService } from './service.ts';
import { currentTrace } from './trace.ts';

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
    mixin: () => {
      const trace = currentTrace();
      return trace ? { trace_id: trace.traceId } : {};
    },
  });
}

/** Of the configuration, not connected yet; PGlite opens here or not at all. */
async function createDatabase(config: Config, log: Logger): Promise<Database> {
  if (config.database)
    return connectPostgres({
      address: config.database.service,
      onError: (error) => log.warn({ err: error }, 'an idle database connection was lost'),
    });
  log.warn(
    { data_dir: config.dataDir },
    'embedded database: for evaluation and development; it has one connection and does not sync to disk. Set DATABASE_URL for PostgreSQL',
  );
  return await openEmbedded({ dir: join(config.dataDir, 'database') });
}

/** Applies migrations and exits; @returns the names applied. */
export async function migrateOnly(env: NodeJS.ProcessEnv): Promise<string[]> {
  const config = readConfig(env);
  if (config.database) return await migrateAsOwner(config.database);
  const database = await createDatabase(config, createLog('silent'));
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
  const database = await createDatabase(config, log);
  const stop = async (service?: Service): Promise<void> => {
    await service?.close();
    await database.close();
  };
  const migrateFirst = async (): Promise<void> => {
    const { applied, tooMuch, pooled } = config.database
      ? await preparePostgres(database, config.database)
      : { applied: await migrate(database) };
    if (applied.length > 0) log.info({ applied }, 'migrated');
    if (tooMuch) log.warn({ hint: tooMuch.hint }, tooMuch.detail);
    if (pooled) log.info('a pooler stands before the database: deadlines of queries there are those of the role');
  };
  const service = await startService(config, { database, migrate: migrateFirst, clock: systemClock, log }).catch(
    async (error: unknown) => {
      await stop();
      throw error;
    },
  );
  const grace = { delay: 20_000 + config.drainMs, logger: { error: (message: string) => log.error(message) } };
  closeWithGrace(grace, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'stopping after an error that nobody caught');
    else log.info({ signal }, 'stopping');
    await stop(service);
  });
  const where = {
    issuer_url: config.issuerUrl,
    internal_url: config.internalUrl,
    port: service.publicPort,
    internal_port: service.internalPort,
    socket: config.socketPath,
    database: database.engine,
  };
  const opened = await service.opened.catch(async (error: unknown) => {
    await stop(service);
    throw error;
  });
  if (opened) log.info(where, 'ready');
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

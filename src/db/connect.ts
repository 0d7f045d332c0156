// The two engines behind one interface: PostgreSQL through pg, or PGlite embedded in the process.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect, PostgresDialect, sql, type Transaction as KyselyTransaction } from 'kysely';
import pg from 'pg';
import { type PostgresAddress, readAddress, readPassword, readRoots } from './environment.ts';
import { unavailable } from '../errors.ts';
import { lockDirectory } from './lock.ts';
import type { Tables } from './types.ts';
import { createWire, guardWires } from './wire.ts';

export type Db = Kysely<Tables>;
export type Transaction = KyselyTransaction<Tables>;

export interface Database {
  db: Db;
  engine: 'postgresql' | 'pglite';
  /** Runs the statements of one migration file as one transaction: the caller's on PostgreSQL, its own on PGlite. */
  runScript(db: Db, script: string): Promise<void>;
  /** From the next connection on the server is not asked for its deadlines: a pooler refuses that. */
  omitStartupDeadlines?(): void;
  /** Connections of this process, and queries that wait for one; undefined where there is no pool. */
  pool?(): { total: number; idle: number; waiting: number };
  close(): Promise<void>;
}

const INT8 = 20;
const BYTEA = 17;
const DATE = 1082;
const NUMERIC = 1700;

export interface PostgresOptions {
  /** Where and as whom; or a URL, as `DATABASE_URL` alone would be read. */
  address?: PostgresAddress;
  url?: string;
  /** Connections of this process at most; 10 unless given. */
  poolSize?: number;
  applicationName?: string;
  /** Deadline of one query and of a wait for a lock, milliseconds; 5000 unless given. */
  queryTimeoutMs?: number;
  /** Deadline of one statement, where it is another than that of a query: for migrations, milliseconds. */
  statementTimeoutMs?: number;
  /** Deadline of a wait for a connection, milliseconds; 2000 unless given, or that of a query where it is shorter. */
  connectTimeoutMs?: number;
  onError?: (error: Error) => void;
}

/** Nothing is left to the driver's own reading of a URL or of PGSSLMODE. */
function driverOptions({ tls, passwordFile, password, ...address }: PostgresAddress): pg.PoolConfig {
  const caFile = tls?.caFile;
  let roots = caFile === undefined ? undefined : readRoots(caFile);
  const readLatestRoots = (): string | undefined => {
    try {
      if (caFile !== undefined) roots = readRoots(caFile);
    } catch {
      // While it is being replaced, those read last stand.
    }
    return roots;
  };
  const ssl =
    tls === undefined
      ? false
      : {
          rejectUnauthorized: true,
          // Read by the driver for each connection that it opens.
          get ca() {
            return readLatestRoots();
          },
        };
  const { host, port, user, database } = address;
  return {
    ...{ host, port, ssl },
    ...(user === undefined ? {} : { user }),
    ...(database === undefined ? {} : { database }),
    ...(passwordFile !== undefined
      ? { password: async () => readPassword(passwordFile) }
      : password === undefined
        ? {}
        : { password }),
  };
}

/** Queries that wait for a connection of the pool at most: whoever comes then hears so at once. */
const MAX_WAITING = 500;

/** PostgreSQL 15 or later. Connects lazily; every query has a deadline on both sides of the wire. */
export function connectPostgres(options: PostgresOptions): Database {
  const timeout = options.queryTimeoutMs ?? 5000;
  const statementTimeout = options.statementTimeoutMs ?? timeout;
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  types.setTypeParser(DATE, String);
  /** Asked for in the startup packet. */
  const deadlines = {
    statement_timeout: statementTimeout,
    lock_timeout: timeout,
    idle_in_transaction_session_timeout: timeout * 2,
  };
  const address = options.address ?? readAddress('DATABASE_URL', options.url ?? '');
  const pool = new pg.Pool({
    ...driverOptions(address),
    stream: createWire,
    max: options.poolSize ?? 10,
    application_name: options.applicationName ?? 'countersign',
    connectionTimeoutMillis: options.connectTimeoutMs ?? Math.min(timeout, 2000),
    query_timeout: statementTimeout + 500,
    ...deadlines,
    keepAlive: true,
    types,
  });
  // An idle connection that the server closes is an event, not an exception: the pool replaces it.
  pool.on('error', (error) => options.onError?.(error));
  guardWires(pool);
  const bounded = {
    options: pool.options,
    connect: () =>
      pool.waitingCount < MAX_WAITING
        ? pool.connect()
        : Promise.reject(unavailable('Too many queries wait for a connection to the database.')),
    end: () => pool.end(),
  };
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: bounded }) });
  let closed: Promise<void> | undefined;
  return {
    db,
    engine: 'postgresql',
    runScript: async (executor, script) => {
      await sql.raw(script).execute(executor);
    },
    omitStartupDeadlines: () => {
      for (const name of Object.keys(deadlines)) delete pool.options[name as keyof typeof deadlines];
    },
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => (closed ??= pool.ended ? Promise.resolve() : pool.end()),
  };
}

export interface EmbeddedOptions {
  /** Where the data lives; in memory if absent. */
  dir?: string;
  /** A dump to start from, as `PGlite.dumpDataDir` made it; for tests. */
  loadDataDir?: Blob;
}

/**
 * PGlite: for evaluation and development (no fsync, one connection, no statement timeout).
 * @throws Error when another process has the directory.
 */
export async function openEmbedded(options: EmbeddedOptions = {}): Promise<Database> {
  let unlock = (): void => {};
  if (options.dir !== undefined) {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    unlock = lockDirectory(options.dir);
  }
  const pglite = new PGlite({
    ...(options.dir === undefined ? {} : { dataDir: join(options.dir, 'pglite') }),
    ...(options.loadDataDir === undefined ? {} : { loadDataDir: options.loadDataDir }),
    startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=8MB'],
    parsers: {
      [INT8]: Number,
      [NUMERIC]: String,
      [DATE]: String,
      [BYTEA]: (value: string) => Buffer.from(value.slice(2), 'hex'),
    },
  });
  try {
    await pglite.waitReady;
  } catch (error) {
    unlock();
    throw error;
  }
  const db = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) });
  let closed: Promise<void> | undefined;
  return {
    db,
    engine: 'pglite',
    runScript: async (_executor, script) => {
      await pglite.exec(`begin;\n${script}\n;commit;`).catch(async (error: unknown) => {
        await pglite.exec('rollback');
        throw error;
      });
    },
    close: () => (closed ??= (pglite.closed ? Promise.resolve() : pglite.close()).finally(unlock)),
  };
}

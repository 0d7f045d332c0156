// The two engines behind one interface: PostgreSQL through pg, or PGlite embedded in the process.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect, PostgresDialect, sql, type Transaction as KyselyTransaction } from 'kysely';
import pg from 'pg';
import { lockDirectory } from './lock.ts';
import type { Tables } from './types.ts';

export type Db = Kysely<Tables>;
export type Transaction = KyselyTransaction<Tables>;

export interface Database {
  db: Db;
  engine: 'postgresql' | 'pglite';
  /** Runs the statements of one migration file as one transaction: the caller's on PostgreSQL, its own on PGlite. */
  runScript(db: Db, script: string): Promise<void>;
  /** Connections of this process, and queries that wait for one; undefined where there is no pool. */
  pool?(): { total: number; idle: number; waiting: number };
  close(): Promise<void>;
}

const INT8 = 20;
const BYTEA = 17;
const DATE = 1082;
const NUMERIC = 1700;

export interface PostgresOptions {
  url: string;
  /** Connections of this process at most; 10 unless given. */
  poolSize?: number;
  applicationName?: string;
  /** Deadline of one query, milliseconds; 5000 unless given. */
  queryTimeoutMs?: number;
  onError?: (error: Error) => void;
}

/** PostgreSQL 15 or later. Connects lazily; every query has a deadline on both sides of the wire. */
export function connectPostgres(options: PostgresOptions): Database {
  const timeout = options.queryTimeoutMs ?? 5000;
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  types.setTypeParser(DATE, String);
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize ?? 10,
    application_name: options.applicationName ?? 'countersign',
    connectionTimeoutMillis: Math.min(timeout, 2000),
    query_timeout: timeout + 500,
    statement_timeout: timeout,
    lock_timeout: timeout,
    idle_in_transaction_session_timeout: timeout * 2,
    keepAlive: true,
    types,
  });
  // An idle connection that the server closes is an event, not an exception: the pool replaces it.
  pool.on('error', (error) => options.onError?.(error));
  // One that is lent out has no listener of the pool's: without this, a server's crash would be ours. Its query fails.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  let closed: Promise<void> | undefined;
  return {
    db,
    engine: 'postgresql',
    runScript: async (executor, script) => {
      await sql.raw(script).execute(executor);
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

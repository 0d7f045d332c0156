// What a PostgreSQL must be for a record to be durable when its caller hears, and for no query to be without a deadline.
import { sql } from 'kysely';
import { StartError } from '../errors.ts';
import type { Db } from './connect.ts';

const OLDEST = 150_000;
const LONGEST_DEADLINE_MS = 60_000;
const DEADLINES = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const;
type Deadline = (typeof DEADLINES)[number];

export interface ServerSettings extends Record<Deadline, number> {
  version: number;
  role: string;
  fsync: string;
  /** In effect for this session: the server's, or that of the role or the database. */
  synchronousCommit: string;
}

export async function readServerSettings(db: Db): Promise<ServerSettings> {
  const ms = (name: Deadline) => sql<number>`(select setting::int from pg_settings where name = ${sql.lit(name)})`;
  const { rows } = await sql<ServerSettings>`
    select current_setting('server_version_num')::int as version, current_user::text as role,
      current_setting('fsync') as fsync, current_setting('synchronous_commit') as "synchronousCommit",
      ${ms('statement_timeout')} as statement_timeout, ${ms('lock_timeout')} as lock_timeout,
      ${ms('idle_in_transaction_session_timeout')} as idle_in_transaction_session_timeout`.execute(db);
  return rows[0] as ServerSettings;
}

/** As it stands in a statement. */
export const quoted = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** @throws StartError for the first fault, by name and with what to run. */
export function assertDurable({ version, role, fsync, synchronousCommit }: ServerSettings): void {
  if (version < OLDEST)
    throw new StartError(
      'database_too_old',
      `PostgreSQL ${Math.floor(version / 10_000)} answers, and 15 is the oldest that will do.`,
      'Upgrade the server, then start again.',
    );
  if (fsync !== 'on')
    throw new StartError(
      'database_fsync_off',
      'The server runs with fsync=off: after a crash, records that callers were told of are lost, and the data may be corrupt.',
      'Run `alter system set fsync = on; select pg_reload_conf();` as a superuser, or take fsync out of its command line, then start again.',
    );
  if (synchronousCommit === 'off')
    throw new StartError(
      'database_synchronous_commit_off',
      `Commits of the role ${role} are asynchronous (synchronous_commit=off): a crash loses records that callers were told of.`,
      `See where it is set with \`\\drds\` and \`show synchronous_commit\`, then \`alter role ${quoted(role)} set synchronous_commit = on\` (or \`alter system\`, or \`alter database\`), and start again.`,
    );
}

/**
 * Behind a pooler the server's deadlines come from the role alone.
 * @throws StartError with the statement that gives them to it.
 */
export function assertDeadlines(settings: ServerSettings): void {
  const missing = DEADLINES.filter((name) => settings[name] === 0 || settings[name] > LONGEST_DEADLINE_MS);
  if (missing.length === 0) return;
  const wanted: Record<Deadline, string> = {
    statement_timeout: '5s',
    lock_timeout: '5s',
    idle_in_transaction_session_timeout: '10s',
  };
  const role = quoted(settings.role);
  throw new StartError(
    'database_deadlines_missing',
    `The server has no ${missing.join(', no ')} for the role ${settings.role}: what is between here and there (a pooler such as PgBouncer) does not pass on those that the service asks for.`,
    `Give them to the role, directly at PostgreSQL: ${missing.map((name) => `alter role ${role} set ${name} = '${wanted[name]}';`).join(' ')} Then close the pooler's server connections (RECONNECT) and start again.`,
  );
}

/** What a pooler answers to a startup parameter that it does not know. */
export function refusesStartupParameter(error: unknown): boolean {
  return /unsupported startup parameter/i.test((error as { message?: string }).message ?? '');
}

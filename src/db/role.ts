// As whom the service runs: its own role may write rows and neither alter the schema nor change what is only added.
import { sql } from 'kysely';
import { StartError } from '../errors.ts';
import type { Db } from './connect.ts';
import { quoted } from './server.ts';

/** The group that the migrations make and the operator grants; without a login of its own. */
export const SERVICE_ROLE = 'countersign_service';

/** Rows that are only ever added. */
const FACTS = ['audit', 'signing_keys', 'activations', 'holds', 'revocations', 'key_policies', 'issuers'];

export interface RoleFinding {
  role: string;
  superuser: boolean;
  /** May act as the owner of one of the tables. */
  owner: boolean;
  /** May create in the schema. */
  creates: boolean;
  /** Facts that it may update, delete or truncate. */
  changes: string[];
  /** Tables that it may not even read. */
  lacks: string[];
  /** Whether the group is there. */
  grouped: boolean;
}

/** On a migrated database, or on one of an earlier schema. */
export async function readRole(db: Db): Promise<RoleFinding> {
  const facts = sql.join(FACTS.map((name) => sql.lit(name)));
  const { rows } = await sql<RoleFinding>`
    with tables as (
      select oid, relname::text as name, relowner from pg_class
      where relnamespace = to_regnamespace('public') and relkind in ('r', 'p') and not relispartition
        and relname not in ('kysely_migration_lock'))
    select current_user::text as role,
      (select rolsuper from pg_roles where rolname = current_user) as superuser,
      (select coalesce(bool_or(pg_has_role(relowner, 'member')), false) from tables) as owner,
      has_schema_privilege('public', 'create') as creates,
      to_regrole(${SERVICE_ROLE}) is not null as grouped,
      array(select name from tables where name in (${facts})
        and (has_table_privilege(oid, 'update, delete, truncate') or has_any_column_privilege(oid, 'update'))) as changes,
      array(select name from tables where not has_table_privilege(oid, 'select')) as lacks`.execute(db);
  return rows[0] as RoleFinding;
}

export interface TooMuch {
  detail: string;
  hint: string;
}

/** What the role may do that it should not; undefined when it is the service's own. */
export function findTooMuch({ role, superuser, owner, creates, changes, grouped }: RoleFinding): TooMuch | undefined {
  const why = superuser
    ? 'is a superuser'
    : owner
      ? 'owns its tables'
      : changes.length > 0
        ? `may change rows of ${changes.join(', ')}`
        : creates
          ? 'may create in the schema public'
          : undefined;
  if (why === undefined) return undefined;
  const own = `${role}_service` === SERVICE_ROLE ? 'countersign_login' : `${role}_login`;
  const make = grouped
    ? ''
    : `\`create role ${SERVICE_ROLE} nologin\` as whoever may make roles, then \`countersign migrate\`; `;
  return {
    detail: `The service runs as the role ${role}, which ${why}: whoever takes over the service could alter the schema or rewrite the audit log.`,
    hint:
      superuser || owner
        ? `Give it a role of its own: ${make}\`create role ${quoted(own)} login password '…'; grant ${SERVICE_ROLE} to ${quoted(own)};\` and name that role in DATABASE_URL, and ${role} in MIGRATE_DATABASE_URL.`
        : `Take from ${role} what is beyond the role ${SERVICE_ROLE} (\`revoke all on all tables in schema public from ${quoted(role)}; revoke create on schema public from ${quoted(role)}\`), and the roles of which it is a member beside it.`,
  };
}

/** @throws StartError `database_role_lacks` */
export function assertEnough({ role, lacks, grouped }: RoleFinding): void {
  if (lacks.length === 0) return;
  throw new StartError(
    'database_role_lacks',
    `The role ${role} may not read ${lacks.slice(0, 5).join(', ')}${lacks.length > 5 ? ` and ${lacks.length - 5} more tables` : ''}.`,
    `Run \`${grouped ? '' : `create role ${SERVICE_ROLE} nologin; `}grant ${SERVICE_ROLE} to ${quoted(role)}\` as whoever may, then \`countersign migrate\` as the owner (MIGRATE_DATABASE_URL), and start again.`,
  );
}

// PostgreSQL: who answers, as whom the service runs there, and what a crash of it would lose.
import { type Defence, provenBy } from './defence.ts';

const ENVIRONMENT = 'test/db/environment.test.ts';
const CONNECT = 'test/postgres/connect.test.ts';
const OPEN = 'test/postgres/open.test.ts';
const POOLER = 'test/postgres/pooler.test.ts';
const environment = 'src/db/environment.ts';
const connect = 'src/db/connect.ts';
const open = 'src/db/open.ts';
const server = 'src/db/server.ts';
const migration = 'migrations/0003_service_role.sql';

const onPostgres = (defence: Defence): Defence => ({ ...defence, engine: 'postgresql' });

export const database: Defence[] = [
  ...provenBy(ENVIRONMENT, 'another host is verified, this machine need not be', [
    {
      name: 'database.tls-unasked',
      promise: 'PostgreSQL on another host is verified, also where the URL does not say so',
      file: environment,
      find: '(asked || !isLocal(host))',
      replace: 'Boolean(asked)',
    },
  ]),
  ...provenBy(ENVIRONMENT, 'what does not verify is refused for another host, with what to do', [
    {
      name: 'database.tls-unverified',
      promise: 'an sslmode that does not verify is refused for another host',
      file: environment,
      find: "!isLocal(host) && given.tls !== 'off'",
      replace: 'false',
    },
  ]),
  ...[
    ...provenBy(CONNECT, 'TLS: to these roots, for this name, or not at all', [
      {
        name: 'database.certificate',
        promise: 'the certificate of PostgreSQL chains to the named roots and is of its host',
        file: connect,
        find: 'rejectUnauthorized: true',
        replace: 'rejectUnauthorized: false',
      },
      {
        name: 'database.roots-reread',
        promise: 'root certificates are read again at each connect',
        file: connect,
        find: 'return readLatestRoots();',
        replace: 'return roots;',
      },
    ]),
    ...provenBy(CONNECT, 'a rotated password needs no restart, and a wrong one is not printed', [
      {
        name: 'database.password-reread',
        promise: 'the password is read again at each connect',
        file: connect,
        find: 'password: async () => readPassword(passwordFile)',
        replace: 'password: readPassword(passwordFile)',
      },
    ]),
    ...provenBy(OPEN, 'the service may not alter the schema, nor change audit rows and facts', [
      {
        name: 'database.audit-append-only',
        promise: "the service's role cannot update audit rows",
        file: migration,
        find: "('audit', 'select, insert')",
        replace: "('audit', 'select, insert, update')",
      },
      {
        name: 'database.audit-undeletable',
        promise: "the service's role cannot delete audit rows",
        file: migration,
        find: "('audit', 'select, insert')",
        replace: "('audit', 'select, insert, delete')",
      },
      {
        name: 'database.revocations-append-only',
        promise: "the service's role cannot take back a revocation",
        file: migration,
        find: "('revocations', 'select, insert')",
        replace: "('revocations', 'select, insert, delete')",
      },
      {
        name: 'database.keys-immutable',
        promise: "the service's role cannot change a published key",
        file: migration,
        find: "('signing_keys', 'select, insert')",
        replace: "('signing_keys', 'select, insert, update')",
      },
    ]),
    ...provenBy(OPEN, 'the owner, a superuser, and one who may too much', [
      {
        name: 'database.role-checked',
        promise: 'with MIGRATE=check or an owner apart, a service that may rewrite the audit log does not start',
        file: open,
        find: "if (tooMuch && (config.migrate === 'check' || config.owner))",
        replace: 'if (tooMuch && false)',
      },
    ]),
    ...provenBy(OPEN, 'check applies nothing, and says what is missing and what to run', [
      {
        name: 'database.migrations-checked',
        promise: 'MIGRATE=check does not start on an older schema',
        file: open,
        find: "if (config.migrate === 'check') assertMigrated(await listMissing(database));",
        replace: '',
      },
    ]),
    ...provenBy(OPEN, 'a migration takes longer than a query may, and waits for a lock no longer', [
      {
        name: 'database.long-migration',
        promise: 'a migration of millions of rows is not cut off by the deadline of a query',
        file: open,
        find: ', statementTimeoutMs: MIGRATION_MS',
        replace: '',
      },
    ]),
    ...provenBy(OPEN, 'a newer migration that is applied while this commit waits for the lock is left alone', [
      {
        name: 'database.newer-meanwhile',
        promise: 'a newer version that migrates while an older one starts is no obstacle to it',
        file: 'src/db/migrate.ts',
        find: 'some((name) => !(name in migrations))) return await migrate(database);',
        replace: 'some(() => false)) return [];',
      },
    ]),
    ...provenBy(OPEN, 'commits that a crash would lose are refused, wherever that was set', [
      {
        name: 'database.fsync',
        promise: 'fsync=off is refused',
        file: server,
        find: "if (fsync !== 'on')",
        replace: 'if (false)',
      },
      {
        name: 'database.synchronous-commit',
        promise: 'synchronous_commit=off is refused, of server, role and database',
        file: server,
        find: "if (synchronousCommit === 'off')",
        replace: 'if (false)',
      },
    ]),
    ...provenBy(POOLER, 'startup parameters that a pooler refuses or drops', [
      {
        name: 'database.deadlines',
        promise: 'no query without a deadline at the server, also behind a pooler that drops what is asked for',
        file: open,
        find: 'assertDeadlines(settings);',
        replace: '',
      },
      {
        name: 'database.pooler',
        promise: 'a pooler that refuses startup parameters is no obstacle',
        file: open,
        find: 'database.omitStartupDeadlines?.();',
        replace: '',
      },
    ]),
  ].map(onPostgres),
];

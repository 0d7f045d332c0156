// The doctor on the host, before PostgreSQL: what the start would refuse or warn of, named without a start.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import t from 'tap';
import { checkDatabase } from '../../src/cli/doctor/host.ts';
import { runChecks } from '../../src/cli/doctor/run.ts';
import { readConfig } from '../../src/config.ts';
import { migrateOnly } from '../../src/main.ts';
import { DEPLOY } from '../deploy/read.ts';
import { findPostgresBinaries, startPostgres } from '../support/postgres.ts';
import { tempDir } from '../support/service.ts';

t.test('settings, role and migrations', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const { hostname, port, password } = new URL(cluster.url);
  const secrets = join(tempDir(t), 'secrets');
  mkdirSync(secrets);
  for (const name of ['owner-password', 'database-password']) writeFileSync(join(secrets, name), name);
  execFileSync('sh', [join(DEPLOY, 'compose/roles.sh')], {
    env: {
      ...{ PATH: `${findPostgresBinaries()}:/usr/bin:/bin`, PGHOST: hostname, PGPORT: port, PGPASSWORD: password },
      SECRETS: secrets,
    },
  });
  const env = {
    ISSUER_URL: 'http://127.0.0.1:8080',
    DATABASE_URL: `postgres://countersign@127.0.0.1:${port}/countersign`,
    DATABASE_PASSWORD_FILE: join(secrets, 'database-password'),
    MIGRATE_DATABASE_URL: `postgres://countersign_owner@127.0.0.1:${port}/countersign`,
    MIGRATE_DATABASE_PASSWORD_FILE: join(secrets, 'owner-password'),
  };
  const look = async (over: Record<string, string> = {}) => {
    const check = checkDatabase(readConfig({ ...env, ...over }));
    return (await runChecks(check ? [check] : [])).findings;
  };
  /** Each of these, in their order, and nothing besides. */
  const finds = async (expected: object[], over?: Record<string, string>): Promise<void> => {
    const findings = await look(over);
    t.match(findings, expected);
    t.equal(findings.length, expected.length, JSON.stringify(findings));
  };
  const asSuperuser = async (...statements: string[]): Promise<void> => {
    const client = new pg.Client({ connectionString: cluster.url.replace(/postgres$/, 'countersign') });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };

  const all = /lacks 0001_base, .*0010_seal_changed/;
  await finds([{ code: 'migration_missing', severity: 'warning', detail: all, hint: /The next start applies/ }]);
  await finds([{ code: 'migration_missing', severity: 'failure', detail: all, hint: /MIGRATE=auto/ }], {
    MIGRATE: 'check',
    MIGRATE_DATABASE_URL: '',
    MIGRATE_DATABASE_PASSWORD_FILE: '',
  });
  await migrateOnly(env);
  await finds([{ code: 'database', severity: 'ok', detail: /as countersign: durable, migrated/ }]);

  await asSuperuser(
    'alter role countersign set synchronous_commit = off',
    'revoke select on audit from countersign_service',
  );
  await finds([
    { code: 'database_synchronous_commit_off', severity: 'failure', hint: /alter role countersign/ },
    { code: 'database_role_lacks', severity: 'failure' },
  ]);
  await asSuperuser('alter role countersign reset synchronous_commit', 'grant select on audit to countersign_service');

  const asOwner = { DATABASE_URL: env.MIGRATE_DATABASE_URL, DATABASE_PASSWORD_FILE: join(secrets, 'owner-password') };
  await finds([{ code: 'database_role_too_much', severity: 'warning', hint: /role of its own/ }], asOwner);

  await cluster.stop();
  const gone = await look();
  t.match(gone, [{ code: 'database', severity: 'failure', detail: /ECONNREFUSED/ }]);
  t.equal(gone.length, 1);
  t.notMatch(JSON.stringify(gone), 'database-password');
});

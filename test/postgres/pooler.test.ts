// Through PgBouncer in transaction mode: what it refuses is left out, and deadlines that would be lost are missed by name.
import pg from 'pg';
import { sql } from 'kysely';
import t from 'tap';
import { connectPostgres } from '../../src/db/connect.ts';
import { readDatabase } from '../../src/db/environment.ts';
import { preparePostgres } from '../../src/db/open.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { startPostgres } from '../support/postgres.ts';
import { PATIENCE_MS } from '../support/until.ts';

t.test('startup parameters that a pooler refuses or drops', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const refusing = await startPgbouncer(cluster.url);
  t.teardown(() => refusing.remove());
  const dropping = await startPgbouncer(cluster.url, {
    ignore_startup_parameters: 'statement_timeout,lock_timeout,idle_in_transaction_session_timeout',
  });
  t.teardown(() => dropping.remove());
  const open = async (url: string) => {
    const config = readDatabase({ DATABASE_URL: url }, []);
    if (!config) throw new Error('no configuration');
    const database = connectPostgres({
      address: config.service,
      connectTimeoutMs: PATIENCE_MS,
      // Longer than the server's own, which is what is looked at.
      statementTimeoutMs: 30_000,
    });
    t.teardown(() => database.close());
    return { database, ...(await preparePostgres(database, config)) };
  };
  const missing = {
    code: 'database_deadlines_missing',
    message: /no statement_timeout, no lock_timeout, no idle_in_transaction_session_timeout/,
    hint: /alter role postgres set statement_timeout = '5s';.*idle_in_transaction_session_timeout/,
  };
  await t.rejects(open(refusing.url), missing, 'refused by the pooler: left out, and then there are none');
  await t.rejects(open(dropping.url), missing, 'silently dropped by the pooler');
  t.match(await open(cluster.url), { pooled: false, applied: ['0001_base'] }, 'directly they are asked for');

  const admin = new pg.Client({ connectionString: cluster.url });
  await admin.connect();
  for (const statement of [
    "alter role postgres set statement_timeout = '5s'",
    "alter role postgres set lock_timeout = '5s'",
    "alter role postgres set idle_in_transaction_session_timeout = '10s'",
  ])
    await admin.query(statement);
  // What RECONNECT does: the pooler's server connections are of before.
  await admin.query(
    'select pg_terminate_backend(pid, 60000) from pg_stat_activity where pid <> pg_backend_pid() and usename is not null',
  );
  await admin.end();
  const { database, pooled } = await open(refusing.url);
  t.equal(pooled, true);
  t.same((await sql`show statement_timeout`.execute(database.db)).rows, [{ statement_timeout: '5s' }]);
  t.equal((await open(dropping.url)).pooled, false);
  await t.rejects(
    sql`select pg_sleep(30)`.execute(database.db),
    /statement timeout/,
    'the server ends it, not we alone',
  );
  t.same((await sql`select 1 as one`.execute(database.db)).rows, [{ one: 1 }]);
});

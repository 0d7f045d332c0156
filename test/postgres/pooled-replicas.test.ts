// The same promises with PgBouncer in transaction mode between: no NOTIFY, no session, fewer server connections than clients.
import t from 'tap';
import { testServiceUrl } from '../support/databases.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { replicaCases } from './replica-cases.ts';

replicaCases(t, async (t) => {
  const pooler = await startPgbouncer((await testServiceUrl(t)) as string);
  t.teardown(() => pooler.remove());
  return { DATABASE_URL: pooler.url, MIGRATE: 'check' };
});

// A process killed inside a creating request leaves nothing half done, and its key to whoever asks again.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { testDatabaseUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { call } from '../support/service.ts';
import { until } from '../support/until.ts';

t.test('killed between the thing and its commit: the same key at another replica makes it, once', async (t) => {
  const DATABASE_URL = (await testDatabaseUrl(t)) as string;
  const { replicas } = await startReplicas(t, 2, { DATABASE_URL });
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const token = await b.hostToken();
  const headers = { authorization: `Bearer ${token}`, 'idempotency-key': randomUUID() };
  const create = (url: string) => call(url, 'POST', '/v1/workloads', { slug: 'once' }, headers);
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  t.teardown(() => client.end());
  // Every act that decisions rest on ends by bumping the epoch: held here, it has written everything and not committed.
  await client.query('begin');
  await client.query('select epoch from policy_epoch for update');
  const cut = create(a.url).then(
    () => 'answered',
    () => 'cut',
  );
  // Nothing else counts: what runs in the background waits for locks of its own.
  const isBlocked = async (): Promise<boolean> => {
    const { rows } = await client.query(
      `select from pg_locks where not granted and relation = 'policy_epoch'::regclass
       and database = (select oid from pg_database where datname = current_database())`,
    );
    return rows.length > 0;
  };
  t.ok(await until(isBlocked), 'in the middle');
  await a.stop('SIGKILL');
  t.equal(await cut, 'cut');
  const again = create(b.url);
  await client.query('rollback');
  const made = await again;
  t.match(made, { status: 201, body: { slug: 'once' } }, JSON.stringify(made.body));
  t.same((await create(b.url)).body, made.body, 'the same answer again');
  const { rows } = await client.query(
    `select (select count(*)::int from workloads where slug = 'once') as things,
            (select count(*)::int from audit where kind = 'workload.created' and row like '%"once"%') as records,
            (select count(*)::int from idempotency_keys) as keys`,
  );
  t.same(rows[0], { things: 1, records: 1, keys: 1 });
});

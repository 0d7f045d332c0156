// Three replicas behind one issuer URL, each with PostgreSQL before it, as the service's own role.
import t from 'tap';
import { testDatabaseUrl, testServiceUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { replicaCases } from './replica-cases.ts';

replicaCases(t, async (t) => ({ DATABASE_URL: (await testServiceUrl(t)) as string, MIGRATE: 'check' }));

t.test('three replicas start at once on an empty database: one ring, one policy', async (t) => {
  const DATABASE_URL = (await testDatabaseUrl(t)) as string;
  const { replicas, callAt } = await startReplicas(t, 3, { DATABASE_URL });
  const rings = await Promise.all(
    replicas.map(async (replica) => (await callAt(replica, 'GET', '/v1/keys/platform')).body.items),
  );
  for (const items of rings) {
    t.equal(items.length, 1);
    t.equal(items[0].keys.length, 2);
    t.same(items[0].keys, rings[0][0].keys);
  }
});

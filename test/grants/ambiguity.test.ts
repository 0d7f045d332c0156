// The grant or the label that would leave a connection between two label grants is refused.
import t from 'tap';
import { assertLabelsUnambiguous } from '../../src/grants/ambiguity.ts';
import { createId } from '../../src/ids.ts';
import { openApi, refused } from '../clients/api.ts';
import { insertConnection } from '../clients/connections.ts';

t.test('a label grant that meets another on one connection', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  await api.call('POST', '/v1/workloads', { slug: 'two' });
  const both = await insertConnection(api.database.db, { labels: { env: 'prod', tier: '1', team: 'x' } });
  await insertConnection(api.database.db, { labels: { env: 'prod', zone: 'a' }, state: 'disconnected' });
  const grant = (label: string, more: object = {}) =>
    api.call('POST', '/v1/grants', { workload: 'one', selector: { label }, ...more });
  const { body: first } = await grant('env=prod');
  const epoch = await api.epoch();
  const answer = await grant('tier=1');
  refused(t, answer, 409, 'grant_would_be_ambiguous');
  t.match(answer.body, { grants: [first.id], connection: both, detail: new RegExp(first.id) });
  t.equal(await api.epoch(), epoch);
  t.equal((await grant('tier=1', { purpose: 'other' })).status, 201, 'another purpose is another question');
  t.equal((await grant('tier=1', { workload: 'two' })).status, 201, 'another workload too');
  t.equal((await grant('tier=2')).status, 201, 'no connection has both');
  t.equal((await grant('env=dev')).status, 201, 'one key has one value');
  t.equal((await grant('zone=a')).status, 201, 'a tombstone is asked by nobody');
  refused(t, await grant('env=prod'), 409, 'grant_exists');
  for (const selector of [{ connection: both }, { tenant: 'default' }, { all: true }]) {
    t.equal(
      (await api.call('POST', '/v1/grants', { workload: 'one', selector })).status,
      201,
      'other kinds stand aside',
    );
  }
});

t.test('labels that would bring a connection under two grants', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  await api.call('POST', '/v1/workloads', { slug: 'two' });
  const grant = async (label: string, more: object = {}) =>
    (await api.call('POST', '/v1/grants', { workload: 'one', selector: { label }, ...more })).body.id;
  const grants = [await grant('env=prod'), await grant('tier=1')].sort();
  await grant('team=x', { purpose: 'other' });
  await grant('team=y', { workload: 'two' });
  const connectionId = createId('cn');
  const check = (labels: Record<string, string>) =>
    api.database.db.transaction().execute((trx) => assertLabelsUnambiguous(trx, { connectionId, labels }));
  await t.rejects(check({ env: 'prod', tier: '1', more: '' }), {
    code: 'grant_would_be_ambiguous',
    status: 409,
    options: { hint: /\S/, extra: { grants } },
  });
  for (const labels of [
    {},
    { env: 'prod' },
    { env: 'prod', tier: '2' },
    { env: 'prod', team: 'x' },
    { env: 'prod', team: 'y' },
    { 'env=prod': '', tier: '1' },
  ]) {
    await t.resolves(check(labels as Record<string, string>), JSON.stringify(labels));
  }
});

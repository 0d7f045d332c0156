// Listing connections: pages, filters, and for a workload without scopes nothing but what its grants select.
import t from 'tap';
import { createId } from '../../src/ids.ts';
import { type Api, openApi, refused } from './api.ts';

async function insertGrant(
  api: Api,
  workload: string,
  kind: 'connection' | 'label' | 'tenant' | 'all',
  value: string,
): Promise<void> {
  const label = kind === 'label' ? JSON.stringify(Object.fromEntries([value.split('=')])) : null;
  const row = { id: createId('gr'), workload, selector_kind: kind, selector_value: value, selector_label: label };
  await api.database.db
    .insertInto('grants')
    .values({ ...row, purpose: 'default', max_session_seconds: 3600, policy_arns: [], tags: '{}' })
    .execute();
}

async function insertWorkload(api: Api): Promise<string> {
  const id = createId('wl');
  await api.database.db
    .insertInto('workloads')
    .values({ id, slug: `s${id.slice(3, 12)}`, state: 'active', scopes: [], audiences: [], jwks: '{"keys":[]}' })
    .execute();
  return id;
}

t.test('pages and filters', async (t) => {
  const api = await openApi(t);
  const made = [];
  for (let n = 0; n < 5; n += 1)
    made.push(
      await api.create({
        name: `n${n}`,
        tenant: n < 3 ? 'acme' : 'default',
        labels: { n: String(n), env: n % 2 ? 'prod' : 'dev' },
      }),
    );
  const gone = await api.create();
  await api.call('DELETE', `/v1/connections/${gone.id}`);
  const ids = made.map(({ id }) => id).sort();
  const found: string[] = [];
  let url: string | undefined = '/v1/connections?limit=2';
  let pages = 0;
  while (url) {
    const { status, body }: Awaited<ReturnType<Api['call']>> = await api.call('GET', url);
    t.equal(status, 200);
    found.push(...body.items.map(({ id }: { id: string }) => id));
    url = body.next_cursor === undefined ? undefined : `/v1/connections?limit=2&cursor=${body.next_cursor}`;
    pages += 1;
  }
  t.same([found, pages], [ids, 3], 'each once, in order, the tombstone not');
  const list = async (query: string): Promise<string[]> =>
    (await api.call('GET', `/v1/connections?${query}`)).body.items.map(({ name }: { name: string }) => name).sort();
  t.same(await list('tenant=acme'), ['n0', 'n1', 'n2']);
  t.same(await list('label=env%3Dprod'), ['n1', 'n3']);
  t.same(await list('label=env%3Dprod&tenant=acme'), ['n1']);
  t.same(await list('state=active'), []);
  t.same(await list('state=disconnected'), ['Example']);
  t.same(await list('tenant=acm'), [], 'a tenant is matched whole');
});

t.test('a workload without scopes sees what it may use, and no more', async (t) => {
  const api = await openApi(t);
  const [one, two] = [await insertWorkload(api), await insertWorkload(api)];
  const single = await api.create({ name: 'single' });
  await api.create({ name: 'labelled', labels: { env: 'prod' } });
  await api.create({ name: 'other label', labels: { env: 'dev' } });
  await api.create({ name: 'tenant', tenant: 'acme' });
  await api.create({ name: 'other tenant', tenant: 'acme2' });
  const ended = await api.create({ name: 'ended' });
  const see = async (workload: string, query = ''): Promise<string[]> => {
    const { status, body } = await api.call('GET', `/v1/connections?${query}`, undefined, {
      kind: 'workload',
      id: workload,
      scopes: [],
    });
    t.equal(status, 200);
    return body.items.map(({ name }: { name: string }) => name).sort();
  };
  t.same(await see(one), [], 'nothing without a grant');
  await insertGrant(api, one, 'connection', single.id);
  await insertGrant(api, one, 'connection', ended.id);
  await insertGrant(api, one, 'label', 'env=prod');
  await insertGrant(api, two, 'tenant', 'acme');
  await api.call('DELETE', `/v1/connections/${ended.id}`);
  t.same(await see(one), ['labelled', 'single']);
  t.same(await see(two), ['tenant']);
  t.same(await see(one, 'tenant=acme'), [], 'a filter does not widen');
  t.same(await see(one, 'label=env%3Ddev'), []);
  t.same(await see(one, 'label=env%3Dprod'), ['labelled']);
  t.same(await see(await insertWorkload(api), 'state=pending'), []);
  const first = await api.call('GET', '/v1/connections?limit=1', undefined, { kind: 'workload', id: one, scopes: [] });
  const rest = await api.call('GET', `/v1/connections?limit=50&cursor=${first.body.next_cursor}`, undefined, {
    kind: 'workload',
    id: one,
    scopes: [],
  });
  const names = [...first.body.items, ...rest.body.items].map(({ name }: { name: string }) => name).sort();
  t.same(names, ['labelled', 'single'], 'in pages as well');
  refused(
    t,
    await api.call('GET', `/v1/connections/${single.id}`, undefined, { kind: 'workload', id: one, scopes: [] }),
    403,
    'insufficient_scope',
  );
  const all = await api.call('GET', '/v1/connections', undefined, {
    kind: 'workload',
    id: one,
    scopes: ['connections:read'],
  });
  t.equal(all.body.items.length, 5, 'with the scope, all');
});

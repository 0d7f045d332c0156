// The list of what a workload may use: every kind of grant, each connection once, in pages, filtered.
import t from 'tap';
import { toColumns } from '../../src/grants/selector.ts';
import { insertGrant } from '../../src/grants/store.ts';
import { type GrantedPage, listGrantedConnections } from '../../src/grants/visible.ts';
import { createId } from '../../src/ids.ts';
import { insertWorkload } from '../../src/workloads/store.ts';
import { insertConnection } from '../clients/connections.ts';
import { openTestDatabase } from '../support/databases.ts';

t.test('each granted connection once, in order, page by page', async (t) => {
  const { db } = await openTestDatabase(t);
  const workload = createId('wl');
  const other = createId('wl');
  const made = {
    own: await insertConnection(db, { reference: 'own' }),
    prod: await insertConnection(db, { labels: { env: 'prod', tier: '1' } }),
    acme: await insertConnection(db, { tenant: 'acme', labels: { env: 'prod' } }),
    paused: await insertConnection(db, { tenant: 'acme', state: 'paused' }),
    none: await insertConnection(db, { tenant: 'beta', labels: { env: 'dev' } }),
  };
  await db.transaction().execute(async (trx) => {
    for (const [id, slug] of [
      [workload, 'one'],
      [other, 'other'],
    ] as const) {
      await insertWorkload(trx, { id, slug, description: '', scopes: [], audiences: [], keys: [] });
    }
    const limits = { max_session_seconds: 900, session_policy: null, policy_arns: [], tags: {} };
    const grant = (of: string, selector: Parameters<typeof toColumns>[0], purpose = 'default') =>
      insertGrant(trx, { id: createId('gr'), workload: of, purpose, ...limits }, toColumns(selector));
    await grant(workload, { connection: made.own });
    await grant(workload, { connection: made.own }, 'backup');
    await grant(workload, { connection: made.prod });
    await grant(workload, { label: 'env=prod' });
    await grant(workload, { label: 'tier=1' }, 'backup');
    await grant(workload, { tenant: 'acme' });
    await grant(other, { all: true });
  });
  const list = (page: Partial<GrantedPage> = {}, of = workload) =>
    listGrantedConnections(db, of, { limit: 100, ...page });
  const granted = [made.own, made.prod, made.acme, made.paused].sort();
  t.strictSame(await list(), granted);
  t.strictSame(await list({}, other), Object.values(made).sort(), 'all is all');
  t.strictSame(await list({}, createId('wl')), []);

  const paged: string[] = [];
  for (let after: string | undefined; ; after = paged.at(-1)) {
    const page = await list({ after, limit: 1 });
    if (page.length === 0) break;
    paged.push(...page);
  }
  t.strictSame(paged, granted);
  t.strictSame(await list({ tenant: 'acme' }), [made.acme, made.paused].sort());
  t.strictSame(await list({ tenant: 'beta' }), [], 'a filter does not widen');
  t.strictSame(await list({ label: { env: 'prod' } }), [made.prod, made.acme].sort());
  t.strictSame(await list({ label: { env: 'dev' } }), []);
  t.strictSame(await list({ state: 'paused' }), [made.paused]);
});

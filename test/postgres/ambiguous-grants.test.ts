// Two writers at once cannot leave a connection between two label grants: whichever commits second sees the first.
import t, { type Test } from 'tap';
import type { Db } from '../../src/db/connect.ts';
import { assertLabelsUnambiguous } from '../../src/grants/ambiguity.ts';
import { createGrant } from '../../src/grants/create.ts';
import { createId } from '../../src/ids.ts';
import { insertWorkload } from '../../src/workloads/store.ts';
import { insertConnection } from '../clients/connections.ts';
import { openTestDatabase, testDatabaseUrl } from '../support/databases.ts';
import { overlap, type Write } from '../support/overlap.ts';

async function open(t: Test): Promise<{ db: Db; connection: string } | undefined> {
  const { db } = await openTestDatabase(t);
  if ((await testDatabaseUrl(t)) === undefined) return;
  await db
    .transaction()
    .execute((trx) =>
      insertWorkload(trx, { id: createId('wl'), slug: 'one', description: '', scopes: [], audiences: [], keys: [] }),
    );
  return { db, connection: await insertConnection(db, { labels: { env: 'prod', tier: '1' } }) };
}

const grants =
  (label: string): Write =>
  (trx) =>
    createGrant(trx, { workload: 'one', selector: { label } });

const relabels =
  (connection: string, labels: Record<string, string>): Write =>
  async (trx) => {
    await trx.selectFrom('connections').select('id').where('id', '=', connection).forUpdate().execute();
    await assertLabelsUnambiguous(trx, { connectionId: connection, labels });
    await trx
      .updateTable('connections')
      .set({ labels: JSON.stringify(labels) })
      .where('id', '=', connection)
      .execute();
  };

t.test('two label grants', async (t) => {
  if (!(await open(t))) return;
  t.strictSame(await overlap(t, grants('env=prod'), grants('tier=1')), [undefined, 'grant_would_be_ambiguous']);
});

t.test('a label grant, then labels', async (t) => {
  const world = await open(t);
  if (!world) return;
  await world.db.updateTable('connections').set({ labels: '{}' }).execute();
  await world.db.transaction().execute(grants('env=prod'));
  t.strictSame(await overlap(t, grants('tier=1'), relabels(world.connection, { env: 'prod', tier: '1' })), [
    undefined,
    'grant_would_be_ambiguous',
  ]);
});

t.test('labels, then a label grant', async (t) => {
  const world = await open(t);
  if (!world) return;
  await world.db.updateTable('connections').set({ labels: '{}' }).execute();
  await world.db.transaction().execute(grants('env=prod'));
  t.strictSame(await overlap(t, relabels(world.connection, { env: 'prod', tier: '1' }), grants('tier=1')), [
    undefined,
    'grant_would_be_ambiguous',
  ]);
});

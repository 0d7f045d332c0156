// A database that was restored from a backup, under static publishing: what stands at the target is newer than the record.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { migrate } from '../../src/db/migrate.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { findRing } from '../../src/keys/facts.ts';
import { ringId } from '../../src/keys/store.ts';
import { backUp, putBack } from '../support/dump.ts';
import { tempDir } from '../support/service.ts';
import { openPublishingWorld } from './world.ts';

const ISSUER = 'platform';

/** Published, backed up, rotated until the key of the backup is gone from what is published, restored. */
async function goBack(t: Test) {
  const { service, run, turnOn } = await openPublishingWorld(t);
  const { database } = service;
  const { db } = database;
  const dir = tempDir(t);
  const publish = async (...more: string[]) => (await run(['publish', '--to', dir, ...more])).json();
  const placed = (): string[] =>
    (JSON.parse(readFileSync(join(dir, 'jwks'), 'utf8')).keys as { kid: string }[]).map(({ kid }) => kid);
  const active = async (): Promise<string> => {
    const ring = await findRing(db, ringId(ISSUER, 'ES256'));
    return activeKey(ring?.keys ?? [], Date.now())?.kid ?? '';
  };
  await turnOn(dir);
  await publish();
  const kid = await active();
  const backup = await backUp(db);
  t.equal((await service.call('POST', `/v1/keys/${ISSUER}/rotate`, { now: true })).status, 200);
  await sql`update activations set predecessor_removed_at = signs_from where predecessor_removed_at is not null`.execute(
    db,
  );
  await publish();
  t.notOk(placed().includes(kid), 'the key that signed at the time of the backup is gone');
  await putBack(db, backup);
  t.equal(await active(), kid);
  return { database, publish, placed, kid };
}

t.test('the next pass puts the key that signs again into its document, once the rings are marked', async (t) => {
  const { database, publish, placed, kid } = await goBack(t);
  // As the cluster that was lost marked them: beyond all that this one counts.
  await sql`update rings set changed_xid = '5000000000'`.execute(database.db);
  await migrate(database);
  t.match(await publish(), { written: 1, verified: true });
  t.ok(placed().includes(kid));
  t.match(await publish(), { written: 0, verified: false }, 'and looks at all of them once');
  await migrate(database);
  t.match(await publish(), { verified: false }, 'nothing is restored: nothing is looked at for it');
});

t.test('a backup of the same cluster marks nothing: the publisher is told to look', async (t) => {
  const { database, publish, placed, kid } = await goBack(t);
  await migrate(database);
  t.match(await publish(), { written: 0 }, 'the record says that all is in place');
  t.match(await publish('--verify'), { written: 1, verified: true });
  t.ok(placed().includes(kid));
});

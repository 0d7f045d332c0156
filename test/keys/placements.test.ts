// Seasoning where documents are published as files: a copy is handed out until the moment a key is placed in it.
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import type { Db } from '../../src/db/connect.ts';
import { addPlacements, listTargetsWith, publishedWithout } from '../../src/keys/placements.ts';
import { DEFAULT_POLICY, LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { createRunWorker } from '../../src/keys/runs/work.ts';
import { queueRotation, rotateNow } from '../../src/keys/rotate.ts';
import { earliestSeasoning, type KeyFacts, NEVER, seasonedAt, standbyKey } from '../../src/keys/timeline.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';

const BUCKET = 's3://documents';

async function turnOn(fixture: KeysFixture, id: string, target: string, seq = 1): Promise<void> {
  const { database, clock } = fixture;
  const at = new Date(clock.database());
  await database.db
    .insertInto('publishing_targets')
    .values({ id, target, seq, at, reason: 'a test', actor: 'host' })
    .execute();
}

async function place({ database, clock }: KeysFixture, target: string, kid: string): Promise<void> {
  await database.db
    .insertInto('placements')
    .values({ target, kid, placed_at: new Date(clock.database()) })
    .execute();
}

async function turnOff({ database, clock }: KeysFixture, target: string): Promise<void> {
  const at = new Date(clock.database());
  await database.db.insertInto('publishing_ends').values({ target, at, reason: 'a test', actor: 'host' }).execute();
}

/** A ring whose standby was not born with it. */
async function openFixture(t: Test): Promise<KeysFixture & { standby(): Promise<KeyFacts> }> {
  const fixture = await createKeysFixture(t);
  await rotateNow(fixture.deps, fixture.ringId, SYSTEM);
  const standby = async () => standbyKey((await fixture.ring()).keys, fixture.clock.database()) as KeyFacts;
  return { ...fixture, standby };
}

const { verifierCache: A, oldestServed: D, clockError: E } = LOOPBACK_POLICY;

async function findRunRing(db: Db) {
  return await db.selectFrom('rotation_run_rings').select(['state', 'code']).executeTakeFirst();
}

t.test('seasoned A + e after it was placed, and never before A + D + e after its publication', async (t) => {
  const key: KeyFacts = { kid: 'k', publishedAt: 1_000_000, bornWithRing: false };
  const { verifierCache, oldestServed, clockError } = DEFAULT_POLICY;
  const unpublished = seasonedAt(key, DEFAULT_POLICY);
  t.equal(unpublished, 1_000_000 + verifierCache + oldestServed + clockError);
  const placedAt = (at: number): KeyFacts => ({ ...key, placement: { placedAt: at } });
  t.equal(seasonedAt(placedAt(1_000_001), DEFAULT_POLICY), unpublished, 'placed at once: the origins of ours go by D');
  const late = 1_000_000 + oldestServed + 1;
  t.equal(seasonedAt(placedAt(late), DEFAULT_POLICY), late + verifierCache + clockError);
  const lacked: KeyFacts = { ...key, placement: { lackedBy: BUCKET } };
  t.equal(seasonedAt(lacked, DEFAULT_POLICY), NEVER);
  t.equal(earliestSeasoning(lacked, DEFAULT_POLICY), unpublished);
  t.equal(seasonedAt({ ...lacked, bornWithRing: true }, DEFAULT_POLICY), 1_000_000, 'nobody holds a set without it');
});

t.test('a standby that was not placed does not sign, however old it is; A + e after it was, it does', async (t) => {
  const fixture = await openFixture(t);
  const { deps, ringId, clock } = fixture;
  await turnOn(fixture, 'tg_1', BUCKET);
  clock.step(A + D + E + 1_000_000);
  await t.rejects(rotateNow(deps, ringId, SYSTEM), {
    code: 'standby_unseasoned',
    message: `The standby key is not yet published to ${BUCKET}.`,
    options: { hint: new RegExp(`countersign publish --to ${BUCKET}`), extra: { not_published_to: BUCKET } },
  });
  const { kid } = await fixture.standby();
  await place(fixture, 'tg_1', kid);
  clock.step(A + E - 1);
  await t.rejects(rotateNow(deps, ringId, SYSTEM), {
    code: 'standby_unseasoned',
    options: { extra: { seasoned_at: new Date(clock.database() + 1).toISOString() } },
  });
  clock.step(1);
  t.equal((await rotateNow(deps, ringId, SYSTEM)).kid, kid);
});

t.test('every target counts, by the last time that it was placed there, until publishing to it ends', async (t) => {
  const fixture = await openFixture(t);
  const { clock } = fixture;
  await turnOn(fixture, 'tg_1', BUCKET);
  await turnOn(fixture, 'tg_2', '/srv/documents');
  const { kid } = await fixture.standby();
  await place(fixture, 'tg_1', kid);
  t.match(await fixture.standby(), { placement: { lackedBy: '/srv/documents' } });
  clock.step(1000);
  await place(fixture, 'tg_2', kid);
  const second = clock.database();
  t.match(await fixture.standby(), { placement: { placedAt: second } });
  clock.step(1000);
  await place(fixture, 'tg_1', kid);
  t.match(await fixture.standby(), { placement: { placedAt: second + 1000 } }, 'placed anew: seasoned anew');
  await turnOff(fixture, 'tg_1');
  t.match(await fixture.standby(), { placement: { placedAt: second } });
  await turnOff(fixture, 'tg_2');
  t.equal((await fixture.standby()).placement, undefined, 'publishing is off');
  await turnOn(fixture, 'tg_3', BUCKET, 2);
  t.match(await fixture.standby(), { placement: { lackedBy: BUCKET } }, 'turned on anew, nothing is known to be there');
});

t.test('a queued rotation waits for the publisher, and the queue looks again', async (t) => {
  const fixture = await openFixture(t);
  const { deps, ringId, clock, database } = fixture;
  await turnOn(fixture, 'tg_1', BUCKET);
  const { not_before: notBefore } = await queueRotation(deps, ringId, SYSTEM);
  t.equal(Date.parse(notBefore), clock.database() + A + D + E, 'as if it were placed in time');
  clock.step(A + D + E);
  const work = createRunWorker(deps);
  await work();
  t.match(await findRunRing(database.db), { state: 'waiting', code: 'standby_unseasoned' });
  await place(fixture, 'tg_1', (await fixture.standby()).kid);
  clock.step(A + E);
  await work();
  t.strictSame(await findRunRing(database.db), { state: 'done', code: null });
});

t.test('a revocation says which published copies still hold the key, until they are recorded without it', async (t) => {
  const fixture = await openFixture(t);
  const { deps, ringId, ring, clock, database } = fixture;
  const active = (await ring()).keys.find((key) => key.seq === 1)?.kid as string;
  t.ok(await publishedWithout(database.db, active), 'publishing is off');
  await turnOn(fixture, 'tg_1', BUCKET);
  const input = { ring: ringId, kid: active, acceptOutage: false };
  await t.rejects(revoke(deps, input, SYSTEM), {
    code: 'standby_unseasoned',
    options: { extra: { seasoned_at: new Date(clock.database() + A + D + E).toISOString() } },
  });
  const revoked = await revoke(deps, { ...input, acceptOutage: true }, SYSTEM);
  t.same(revoked.published_to, [BUCKET]);
  t.notOk(await publishedWithout(database.db, active));
  t.same(await listTargetsWith(database.db, active), [BUCKET]);
  const at = new Date(clock.database());
  await database.db.insertInto('withdrawals').values({ target: 'tg_1', kid: active, withdrawn_at: at }).execute();
  t.ok(await publishedWithout(database.db, active));
});

t.test('where the migration has not run, seasoning is as it was', async (t) => {
  const { database, ring } = await openFixture(t);
  const { keys } = await ring();
  await database.runScript(
    database.db,
    'drop table placements, withdrawals, placed_documents, publishing_passes, publishing_ends, publishing_targets',
  );
  t.same(await addPlacements(database.db, keys), keys);
  t.same(await listTargetsWith(database.db, keys[0]?.kid as string), []);
});

// Holds on the real tables, under a stepped clock: what they stop, what they do not, and when rotations go on.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { hold, holdRing, LONGEST_HOLD, resume } from '../../src/keys/hold.ts';
import { LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { lock, rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { deletePrivateKeys, listDueRings } from '../../src/keys/store.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';

const ALICE = { ...SYSTEM, id: 'ad_alice', reason: 'their change freeze' };
const WEEK = 7 * 24 * 3_600_000;
const iso = (ms: number): string => new Date(ms).toISOString();

t.test('a hold stops planned rotations and --now until its end, and no revocation', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const until = clock.database() + WEEK;
  t.same(await hold(deps, ringId, { duration: WEEK }, ALICE), { ring: ringId, held_until: iso(until) });
  clock.step(WEEK - 1);
  t.same(await listDueRings(database.db, clock.database(), 10), [], 'nobody need look at it');
  t.equal(await rotateDue(deps, ringId, SYSTEM), undefined);
  await t.rejects(rotateNow(deps, ringId, ALICE), { code: 'ring_held', options: { extra: { until: iso(until) } } });
  const active = activeKey((await ring()).keys, clock.database())?.kid as string;
  t.match(await revoke(deps, { ring: ringId, kid: active, acceptOutage: false }, ALICE), { was: 'active' });
  clock.step(LOOPBACK_POLICY.period * 2);
  t.same(await listDueRings(database.db, clock.database(), 10), [ringId]);
  t.ok(await rotateDue(deps, ringId, SYSTEM), 'its end ends it');
});

t.test('held again: the latest word counts, and a resume puts the ring back where it would have been', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const planned = async (): Promise<number> => {
    const row = await database.db.selectFrom('rings').select('next_rotation_at').executeTakeFirstOrThrow();
    return row.next_rotation_at.getTime();
  };
  const before = await planned();
  const first = clock.database() + 2 * WEEK;
  await hold(deps, ringId, { until: first }, ALICE);
  t.equal(await planned(), first);
  const shorter = clock.database() + WEEK;
  t.same(await hold(deps, ringId, { until: shorter }, ALICE), {
    ...{ ring: ringId, held_until: iso(shorter), was_held_until: iso(first) },
  });
  t.equal((await ring()).heldUntil, shorter);
  t.equal(await planned(), shorter);
  clock.step(1000);
  t.same(await resume(deps, ringId, ALICE), { ring: ringId, changed: true, next_rotation_at: iso(before) });
  t.equal(await planned(), before);
  t.match(await resume(deps, ringId, ALICE), { changed: false }, 'twice is once');
  t.ok(await rotateNow(deps, ringId, ALICE));
  const rows = await database.db.selectFrom('holds').selectAll().orderBy('seq').execute();
  t.same(
    rows.map(({ seq, actor, reason }) => [seq, actor, reason]),
    [0, 1, 2].map((seq) => [seq, 'ad_alice', 'their change freeze']),
  );
  const acts = await database.db
    .selectFrom('audit')
    .select(['kind', 'row'])
    .where('kind', 'in', ['key.held', 'key.resumed'])
    .orderBy('seq')
    .execute();
  t.same(
    acts.map(({ kind, row }) => [kind, JSON.parse(row).details.reason]),
    ['key.held', 'key.held', 'key.resumed'].map((kind) => [kind, 'their change freeze']),
  );
});

t.test('a hold has an end, in the future and within 90 days', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  for (const until of [clock.database(), clock.database() - 1, clock.database() + LONGEST_HOLD + 1])
    await t.rejects(hold(deps, ringId, { until }, ALICE), { code: 'hold_out_of_range', options: { hint: /90 days/ } });
  t.equal((await ring()).heldUntil, undefined);
  t.ok(await hold(deps, ringId, { duration: LONGEST_HOLD }, ALICE));
});

t.test('the service holds a ring by itself, in an act of its own', async (t) => {
  const { deps, ringId, clock, database } = await createKeysFixture(t);
  const self = { ...SYSTEM, reason: 'STS refuses the standby' };
  await deps.act(self, async (trx) =>
    holdRing(trx, await lock(trx, ringId, deps.readClock), clock.database() + WEEK, self),
  );
  const [row] = await database.db.selectFrom('holds').selectAll().execute();
  t.match(row, { actor: 'system', reason: 'STS refuses the standby' });
});

t.test(
  'the ring of a removed connection is neither rotated nor held, and never comes back into the queue',
  async (t) => {
    const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
    await database.db.transaction().execute((trx) => deletePrivateKeys(trx, 'platform'));
    const before = await ring();
    t.equal(before.retired, true);
    await t.rejects(rotateNow(deps, ringId, ALICE), { code: 'ring_retired' });
    await t.rejects(hold(deps, ringId, { duration: WEEK }, ALICE), { code: 'ring_retired' });
    t.match(await resume(deps, ringId, ALICE), { changed: false });
    clock.step(seasoning(LOOPBACK_POLICY) + LOOPBACK_POLICY.period);
    t.equal(await rotateDue(deps, ringId, SYSTEM), undefined);
    t.same(await ring(), before);
  },
);

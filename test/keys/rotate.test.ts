// Rotation and revocation on the real tables, under a stepped clock.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { Problem } from '../../src/errors.ts';
import { destruction, LOOPBACK_POLICY, MAX_KEYS, retirement, seasoning } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import type { RingPlace } from '../../src/keys/rings.ts';
import { rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { deleteDuePrivateKeys, listDueRings } from '../../src/keys/store.ts';
import { activeKey, keyState, publishedKeys, standbyKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';

const SEASONING = seasoning(LOOPBACK_POLICY);
const RETIREMENT = retirement(LOOPBACK_POLICY, 'workload_token');

t.test('a ring is born with two keys, and key 1 may be activated at any time', async (t) => {
  const { deps, ring, ringId, clock } = await createKeysFixture(t);
  const born = await ring();
  t.same(born.keys.map((key) => keyState(key, clock.database())).sort(), ['active', 'standby']);
  const rotated = await rotateNow(deps, ringId, SYSTEM);
  const after = await ring();
  t.equal(activeKey(after.keys, clock.database())?.kid, rotated.kid);
  t.equal(standbyKey(born.keys, clock.database())?.kid, rotated.kid, 'the standby became active');
  t.same(after.keys.map((key) => keyState(key, clock.database())).sort(), ['active', 'standby', 'verify_only']);
});

t.test('every later key is seasoned A + D + e after its publication, not a millisecond before', async (t) => {
  const { deps, ringId, clock } = await createKeysFixture(t);
  const { predecessor } = await rotateNow(deps, ringId, SYSTEM);
  await t.rejects(rotateNow(deps, ringId, SYSTEM), {
    code: 'standby_unseasoned',
    options: { extra: { seasoned_at: new Date(clock.database() + SEASONING).toISOString() } },
  });
  clock.step(SEASONING - 1);
  await t.rejects(rotateNow(deps, ringId, SYSTEM), { code: 'standby_unseasoned' });
  clock.step(1);
  t.not((await rotateNow(deps, ringId, SYSTEM)).predecessor, predecessor);
});

t.test('a predecessor stays published R + T + S + e, and its private half R + e + 15 min', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const { predecessor } = await rotateNow(deps, ringId, SYSTEM);
  const kids = async () => publishedKeys((await ring()).keys, clock.database()).map((key) => key.kid);
  const deleted = destruction(LOOPBACK_POLICY);
  clock.step(deleted - 1);
  t.same(await deleteDuePrivateKeys(database.db, clock.database()), []);
  clock.step(1);
  t.same(await deleteDuePrivateKeys(database.db, clock.database()), [predecessor]);
  t.ok((await kids()).includes(predecessor), 'still published: its tokens live');
  clock.step(RETIREMENT - deleted - 1);
  t.ok((await kids()).includes(predecessor));
  clock.step(1);
  t.notOk((await kids()).includes(predecessor));
});

t.test('the clock rotates: once a period, never twice for one due time, at most 10 keys', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const activations: number[] = [];
  for (let second = 0; second < 3600; second += 5) {
    clock.step(5000);
    for (const due of await listDueRings(database.db, clock.database(), 10)) {
      if (await rotateDue(deps, due, SYSTEM)) activations.push(second);
    }
    const published = publishedKeys((await ring()).keys, clock.database());
    if (published.length > MAX_KEYS) t.fail(`${published.length} keys at ${second} s`);
    if (published.filter((key) => keyState(key, clock.database()) === 'active').length !== 1)
      t.fail(`not one active key at ${second} s`);
  }
  // A twentieth of the period later at most, and found within 5 s.
  t.ok(activations.length <= 3600 / 180 && activations.length >= 3600 / (180 + 9 + 5), `${activations.length}`);
  t.same(await listDueRings(database.db, clock.database(), 10), []);
  t.equal((await ring()).keys.length, activations.length + 2);
  t.equal(ringId, 'platform:ES256');
});

t.test('no more than ten keys are ever published', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  const published = async () => publishedKeys((await ring()).keys, clock.database()).length;
  await rotateNow(deps, ringId, SYSTEM);
  while ((await published()) < MAX_KEYS) {
    clock.step(SEASONING);
    await rotateNow(deps, ringId, SYSTEM);
  }
  clock.step(SEASONING);
  await t.rejects(rotateNow(deps, ringId, SYSTEM), { code: 'ring_full', options: { hint: /\S/ } });
  t.equal(await rotateDue(deps, ringId, SYSTEM), undefined, 'nor does the clock rotate it');
  t.equal(await published(), MAX_KEYS);
  clock.step(RETIREMENT);
  t.ok(await rotateNow(deps, ringId, SYSTEM), 'there is room again when the oldest are removed');
});

t.test('a standby signs only where every check outside the database passes', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  const seen: string[] = [];
  let problem: Problem | undefined = new Problem('conflict', 'not yet', { hint: 'wait', retryAfter: 7 });
  const checked = {
    ...deps,
    checks: [
      async (_ring: unknown, standby: { kid: string }) => {
        seen.push(standby.kid);
        return problem;
      },
    ],
  };
  const before = await ring();
  await t.rejects(rotateNow(checked, ringId, SYSTEM), { code: 'conflict' });
  clock.step(LOOPBACK_POLICY.period);
  t.equal(await rotateDue(checked, ringId, SYSTEM), undefined);
  t.same(await ring(), before, 'nothing was done');
  t.same(
    await listDueRings(database.db, clock.database() + 6_999, 10),
    [],
    'it is looked at again when the check says',
  );
  t.same(await listDueRings(database.db, clock.database() + 7_000, 10), [ringId]);
  problem = undefined;
  const meanwhile = {
    ...checked,
    rings: {
      ...deps.rings,
      prepareKey: async (ring: RingPlace) => {
        await rotateNow(deps, ringId, SYSTEM);
        clock.step(SEASONING);
        return await deps.rings.prepareKey(ring);
      },
    },
  };
  await t.rejects(rotateNow(meanwhile, ringId, SYSTEM), { code: 'conflict', message: /meanwhile/ });
  const standby = standbyKey(before.keys, clock.database());
  t.same([...new Set(seen)], [standby?.kid], 'each time it was the standby that they were shown');
  t.equal(activeKey((await ring()).keys, clock.database())?.kid, standby?.kid, 'and no other was activated');
});

t.test('two replicas rotating at once are harmless', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  clock.step(LOOPBACK_POLICY.period);
  const results = await Promise.all(Array.from({ length: 3 }, () => rotateDue(deps, ringId, SYSTEM)));
  t.equal(results.filter(Boolean).length, 1, 'one rotated');
  t.equal((await ring()).keys.length, 3);
});

t.test('a hold stops rotations, never a revocation', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  await database.db
    .insertInto('holds')
    .values({
      ring: ringId,
      seq: 0,
      until: new Date(clock.database() + 60_000),
      at: new Date(clock.database()),
      reason: 'an audit',
      actor: 'host',
    })
    .execute();
  await t.rejects(rotateNow(deps, ringId, SYSTEM), { code: 'ring_held' });
  const active = activeKey((await ring()).keys, clock.database());
  t.match(await revoke(deps, { ring: ringId, kid: active?.kid as string, acceptOutage: false }, SYSTEM), {
    was: 'active',
  });
  clock.step(60_000);
  t.ok(await rotateNow(deps, ringId, SYSTEM));
});

t.test('revoking: the active key, the standby, a verify-only one', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  const { kid: active, predecessor, standby } = await rotateNow(deps, ringId, SYSTEM);
  await t.rejects(revoke(deps, { ring: ringId, kid: active, acceptOutage: false }, SYSTEM), {
    code: 'standby_unseasoned',
  });
  t.equal(activeKey((await ring()).keys, clock.database())?.kid, active, 'a refused revocation changes nothing');

  const outage = await revoke(deps, { ring: ringId, kid: active, acceptOutage: true }, SYSTEM);
  t.match(outage, { was: 'active', outage_until: new Date(clock.database() + SEASONING).toISOString() });
  const keys = (await ring()).keys;
  t.equal(activeKey(keys, clock.database())?.kid, standby, 'the standby signs in the same transaction');
  t.notOk(
    publishedKeys(keys, clock.database()).some((key) => key.kid === active),
    'the revoked key left the JWKS',
  );

  t.match(await revoke(deps, { ring: ringId, kid: predecessor, acceptOutage: false }, SYSTEM), { was: 'verify_only' });
  const next = standbyKey((await ring()).keys, clock.database())?.kid as string;
  t.match(await revoke(deps, { ring: ringId, kid: next, acceptOutage: false }, SYSTEM), { was: 'standby' });
  t.ok(standbyKey((await ring()).keys, clock.database()), 'a revoked standby is replaced');
  await t.rejects(revoke(deps, { ring: ringId, kid: next, acceptOutage: false }, SYSTEM), { code: 'key_revoked' });
  await t.rejects(revoke(deps, { ring: ringId, kid: 'A'.repeat(43), acceptOutage: false }, SYSTEM), {
    code: 'not_found',
  });
});

t.test('what was committed is answered as done, though this process could not look at it', async (t) => {
  const { deps, ring, ringId } = await createKeysFixture(t);
  const away = { ...deps, changed: async () => Promise.reject(new Error('the database went away')) };
  const { kid } = await rotateNow(away, ringId, SYSTEM);
  t.equal((await ring()).keys.find((key) => key.kid === kid)?.seq, 1);
  t.equal((await revoke(away, { ring: ringId, kid, acceptOutage: true }, SYSTEM)).kid, kid);
});

t.test('every act is on record', async (t) => {
  const { deps, ringId, database } = await createKeysFixture(t);
  const { predecessor } = await rotateNow(deps, ringId, { ...SYSTEM, id: 'ad_alice', reason: 'a drill' });
  await revoke(
    deps,
    { ring: ringId, kid: predecessor, acceptOutage: false },
    { ...SYSTEM, id: 'ad_alice', reason: 'leaked' },
  );
  const rows = await database.db
    .selectFrom('audit')
    .select(['kind', 'actor', 'row'])
    .where('kind', 'like', 'key.%')
    .orderBy('seq')
    .execute();
  t.same(
    rows.map((row) => [row.kind, row.actor, JSON.parse(row.row).details.reason]),
    [
      ['key.rotated', 'ad_alice', 'a drill'],
      ['key.revoked', 'ad_alice', 'leaked'],
    ],
  );
});

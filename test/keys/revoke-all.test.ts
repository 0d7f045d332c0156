// Revoking every key of a ring: fresh keys in one transaction, the outage said before, and again is nothing more.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { jwksDocument } from '../../src/issuers/documents.ts';
import { destruction, LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { revokeAll } from '../../src/keys/revoke-all.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { deleteDuePrivateKeys, deletePrivateKeys } from '../../src/keys/store.ts';
import { activeKey, keyState, publishedKeys, standbyKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

const SEASONING = seasoning(LOOPBACK_POLICY);
const ACTOR = { ...SYSTEM, id: 'ad_alice', reason: 'INC-7' };
const ACCEPTED = { acceptOutage: true };

t.test(
  'a fresh key signs, with a fresh standby; every key before them is out, and its private half ends',
  async (t) => {
    const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
    await rotateNow(deps, ringId, SYSTEM);
    const before = await ring();
    const published = publishedKeys(before.keys, clock.database()).map(({ kid }) => kid);
    t.equal(published.length, 3, 'one that signs, one that verifies, one that waits');

    await t.rejects(revokeAll(deps, { ring: ringId, acceptOutage: false }, ACTOR), {
      code: 'outage_ahead',
      options: { extra: { outage_until: new Date(clock.database() + SEASONING).toISOString() }, hint: /accept_outage/ },
    });
    t.same(await ring(), before, 'a refused revocation changes nothing');

    clock.step(1000);
    const seen = { ...deps, served: async () => undefined };
    const done = await revokeAll(seen, { ring: ringId, ...ACCEPTED }, ACTOR);
    const now = clock.database();
    t.match(done, {
      changed: true,
      successor_served: true,
      revoked_at: new Date(now).toISOString(),
      forgeries_until: new Date(now + SEASONING).toISOString(),
      outage_until: new Date(now + SEASONING).toISOString(),
    });
    t.same(done.revoked.map(({ kid }) => kid).sort(), published.sort());
    t.same(done.revoked.map(({ was }) => was).sort(), ['active', 'standby', 'verify_only']);
    const { keys } = await ring();
    t.equal(activeKey(keys, now)?.kid, done.signs);
    t.equal(standbyKey(keys, now)?.kid, done.standby);
    t.same(
      publishedKeys(keys, now).map(({ kid }) => kid),
      [done.signs, done.standby],
      'nothing else is in the JWKS',
    );
    t.notOk(published.includes(done.signs as string), 'the standby that was there does not sign');
    await t.rejects(
      rotateNow(deps, ringId, SYSTEM),
      { code: 'standby_unseasoned' },
      'and the new one seasons as any other',
    );

    clock.step(SEASONING);
    t.same((await deleteDuePrivateKeys(database.db, clock.database())).sort(), published.sort());
    t.ok(await rotateNow(deps, ringId, SYSTEM), 'the clock goes on');

    const rows = await database.db.selectFrom('audit').select('row').where('kind', '=', 'key.revoked').execute();
    t.same(
      rows
        .map(({ row }) => JSON.parse(row).details)
        .map(({ kid, reason, all_burnt }) => [kid, reason, all_burnt])
        .sort(),
      published.map((kid) => [kid, 'INC-7', true]).sort(),
      'each key is on record',
    );
  },
);

t.test('private halves of what was revoked end when nothing is proved with them any more', async (t) => {
  const { oldestSigned, clockError } = LOOPBACK_POLICY;
  const ends = { web_identity_token: SEASONING, workload_token: oldestSigned + clockError };
  for (const purpose of ['web_identity_token', 'workload_token'] as const) {
    const { deps, ringId, clock, database } = await createKeysFixture(t, { purpose });
    const due = () => deleteDuePrivateKeys(database.db, clock.database());
    const { revoked } = await revokeAll(deps, { ring: ringId, ...ACCEPTED }, ACTOR);
    clock.step(ends[purpose] - 1);
    t.same(await due(), [], `${purpose}: of one that signed and of one that waited`);
    clock.step(1);
    t.same((await due()).sort(), revoked.map(({ kid }) => kid).sort());
  }
  const { deps, ringId, clock, database } = await createKeysFixture(t);
  const { predecessor } = await rotateNow(deps, ringId, SYSTEM);
  clock.step(destruction(LOOPBACK_POLICY) - 1);
  await revoke(deps, { ring: ringId, kid: predecessor, acceptOutage: false }, ACTOR);
  clock.step(1);
  t.same(await deleteDuePrivateKeys(database.db, clock.database()), [predecessor], 'and never later than without that');
});

t.test('with a time: what was published since stays, so that it can be repeated', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  clock.step(1000);
  const publishedBefore = clock.database();
  const input = { ring: ringId, publishedBefore, ...ACCEPTED };
  const first = await revokeAll(deps, input, ACTOR);
  t.match(first, { changed: true, revoked: { length: 2 } });
  const after = await ring();
  clock.step(1000);
  t.same(await revokeAll(deps, input, ACTOR), { ring: ringId, changed: false, revoked: [] });
  const again = await Promise.all([revokeAll(deps, input, ACTOR), revokeAll(deps, input, ACTOR)]);
  t.ok(again.every(({ changed }) => !changed));
  t.same(await ring(), after, 'and nothing was done');
});

t.test('a standby that is not burnt signs in its place, and a burnt standby alone is replaced', async (t) => {
  const { deps, ringId, ring, clock } = await createKeysFixture(t);
  const born = await ring();
  clock.step(1000);
  const publishedBefore = clock.database();
  // Somebody revoked the standby before: its replacement is younger than the time.
  const standby = standbyKey(born.keys, clock.database())?.kid as string;
  await revoke(deps, { ring: ringId, kid: standby, acceptOutage: false }, ACTOR);
  const replacement = standbyKey((await ring()).keys, clock.database())?.kid;
  clock.step(SEASONING);
  const done = await revokeAll(deps, { ring: ringId, publishedBefore, acceptOutage: false }, ACTOR);
  t.match(done, { changed: true, signs: replacement, revoked: [{ was: 'active' }] }, 'seasoned: no outage to accept');
  t.equal(done.outage_until, undefined);

  const second = await createKeysFixture(t);
  await rotateNow(second.deps, second.ringId, SYSTEM);
  const { kid } = activeKey((await second.ring()).keys, second.clock.database()) as { kid: string };
  await second.database.db
    .updateTable('signing_keys')
    .set({ published_at: new Date(second.clock.database() + 1000) })
    .where('kid', '=', kid)
    .execute();
  const time = second.clock.database() + 1;
  const replaced = await revokeAll(
    second.deps,
    { ring: second.ringId, publishedBefore: time, acceptOutage: false },
    ACTOR,
  );
  t.match(replaced, { changed: true, signs: kid });
  t.same(replaced.revoked.map(({ was }) => was).sort(), ['standby', 'verify_only']);
  t.equal(standbyKey((await second.ring()).keys, second.clock.database())?.kid, replaced.standby);
});

t.test('the ring of a disconnected connection is emptied, and gets no new key', async (t) => {
  const { deps, ringId, ring, clock, database, view: createView } = await createKeysFixture(t);
  await database.db.transaction().execute(async (trx) => void (await deletePrivateKeys(trx, 'platform')));
  const [key] = (await ring()).keys;
  await revoke(deps, { ring: ringId, kid: key?.kid as string, acceptOutage: false }, ACTOR);
  const done = await revokeAll(deps, { ring: ringId, acceptOutage: false }, ACTOR);
  t.match(done, { changed: true, revoked: { length: 1 }, signs: undefined, outage_until: undefined });
  const after = await ring();
  t.ok(after.keys.every((each) => keyState(each, clock.database()) === 'revoked'));
  t.equal(after.keys.length, 2);
  const view = createView();
  await view.refresh();
  t.same(jwksDocument(view.find('platform') ?? [], clock.database()), { keys: [] });
});

t.test('by the API', async (t) => {
  const service = await startTestService(t);
  const path = '/v1/keys/platform';
  const [{ keys }] = (await service.call('GET', path)).body.items;
  for (const body of [
    {},
    { kid: keys[0].kid, all_burnt: true },
    { kid: keys[0].kid, published_before: '2026-01-01' },
    { all_burnt: false },
    { all_burnt: true, published_before: '2026-02-30' },
  ])
    t.match(await service.call('POST', `${path}/revoke`, body), { status: 400 }, JSON.stringify(body));
  t.match(await service.call('POST', `${path}/revoke`, { all_burnt: true }), {
    status: 409,
    body: { code: 'outage_ahead', outage_until: /^2/, hint: /\S/ },
  });
  const before = await service.call('POST', `${path}/revoke`, { all_burnt: true, published_before: '2020-01-01' });
  t.match(before, { status: 200, body: { changed: false } });
  t.same(before.body.revoked, []);
  const held = await service.hostToken();
  const done = await service.call('POST', `${path}/revoke`, { all_burnt: true, accept_outage: true });
  t.match(done, {
    status: 200,
    body: { changed: true, revoked: { length: 2 }, outage_until: /^2/, forgeries_until: /^2/ },
  });
  const [after] = (await service.call('GET', path, undefined, { token: await service.hostToken() })).body.items;
  t.match(
    after.keys.find((key: { state: string }) => key.state === 'active'),
    { kid: done.body.signs },
  );
  t.match(
    await service.call('GET', path, undefined, { token: held }),
    { status: 401 },
    'what the burnt key signed is dead',
  );

  const token = await service.hostToken();
  const client = await (async () => {
    const fresh = { ...service, call: (m: string, p: string, b?: unknown) => service.call(m, p, b, { token }) };
    return await registerClient(fresh, { slug: 'revoker', scopes: ['keys:revoke'] });
  })();
  const own = await workloadToken(service, client, `${service.config.issuerUrl}/v1`, 'keys:revoke');
  t.match(
    await service.call('POST', `${path}/revoke`, { all_burnt: true }, { token: own }),
    { status: 400, body: { code: 'reason_required' } },
    'nobody revokes without a reason',
  );
});

// Standbys are looked at as soon as they are seasoned: once each, those alone of connections that work, and an alarm comes early.
import t from 'tap';
import { SYSTEM } from '../../../src/audit/act.ts';
import { createAhead } from '../../../src/connections/canary/ahead.ts';
import { DEFAULT_POLICY, seasoning } from '../../../src/keys/policy.ts';
import { countProofs, listKeyProofs } from '../../../src/keys/proofs.ts';
import { revoke } from '../../../src/keys/revoke.ts';
import { rotateNow } from '../../../src/keys/rotate.ts';
import type { Check } from '../../../src/keys/conditions.ts';
import { type CanaryWorld, openCanaryWorld } from './world.ts';

const SEASONING = seasoning(DEFAULT_POLICY);

const ahead = ({ database, clock, ringView, rotation }: CanaryWorld) =>
  createAhead({ db: database.db, clock, view: ringView, checkStandby: rotation.checks[0] as Check });

t.test('a standby is proved as it is seasoned, once, and no other before', async (t) => {
  const world = await openCanaryWorld(t, { policy: DEFAULT_POLICY });
  const standbys = ahead(world);
  const first = await world.standby();
  await standbys.turn();
  t.same(world.calls(), ['ok', 'ok'], 'key 1 is seasoned at birth');
  t.match((await listKeyProofs(world.database.db, [first])).get(first), { outcome: 'accepted' });
  await standbys.turn();
  await standbys.turn();
  t.same(world.calls(), []);
  await rotateNow(world.rotation, world.ringId, SYSTEM);
  t.same(world.calls(), [], 'nor is it asked again as it is activated, within a day');
  await world.step(SEASONING - 1);
  await standbys.turn();
  t.same(world.calls(), []);
  await world.step(1);
  await standbys.turn();
  t.same(world.calls(), ['ok', 'ok']);
});

t.test('a standby that STS refuses is known weeks before it is to sign, and its replacement is in time', async (t) => {
  const world = await openCanaryWorld(t, { policy: DEFAULT_POLICY, jwksCacheSeconds: 365 * 86_400 });
  const standbys = ahead(world);
  await rotateNow(world.rotation, world.ringId, SYSTEM);
  const rotatedAt = world.clock.database();
  const standby = await world.standby();
  await world.step(SEASONING);
  for (let look = 0; look < 3; look += 1) {
    await standbys.turn();
    await standbys.turn();
    await world.step(60_000);
  }
  t.match(await countProofs(world.database.db), { refused: 1 });
  const iso = (ms: number) => new Date(ms).toISOString();
  t.match((await world.records('key.standby_refused')).at(-1)?.details, {
    ...{ kid: standby, refusals: 3, harm_begins_at: iso(rotatedAt + DEFAULT_POLICY.period) },
    replace_before: iso(rotatedAt + DEFAULT_POLICY.period - SEASONING),
  });
  world.calls();
  await standbys.turn();
  t.same(world.calls(), [], 'a held ring is left alone');
  await revoke(world.rotation, { ring: world.ringId, kid: standby, acceptOutage: false }, SYSTEM);
  world.sandbox.options.jwksCacheSeconds = 0;
  await world.step(SEASONING);
  await standbys.turn();
  t.same(world.calls(), ['ok', 'ok'], 'its replacement is taken');
  t.match(await countProofs(world.database.db), { refused: 0 });
});

t.test('connections that do not work are not asked for, nor is what STS said nothing of', async (t) => {
  const world = await openCanaryWorld(t, { policy: DEFAULT_POLICY });
  const standbys = ahead(world);
  const { db } = world.database;
  await db.updateTable('connections').set({ state: 'paused' }).execute();
  await standbys.turn();
  t.same(world.calls(), []);
  await db.updateTable('connections').set({ state: 'active' }).execute();
  await world.owner.deleteStack('connect');
  await standbys.turn();
  t.same(world.calls(), ['InvalidIdentityToken']);
  await standbys.turn();
  t.same(world.calls(), [], 'the verifier is at it');
  t.same(await world.records('key.held'), []);
});

t.test('a turn reads a part of a hundred thousand rings, and goes on there in the next', async (t) => {
  const world = await openCanaryWorld(t, { policy: DEFAULT_POLICY });
  const [ring] = [...world.ringView.all()].flat();
  let read = 0;
  const view = {
    now: world.ringView.now,
    policy: world.ringView.policy,
    *all() {
      for (let index = 0; index < 12_000; index += 1) {
        read += 1;
        yield index === 11_000 && ring ? [ring] : [];
      }
    },
  };
  const standbys = createAhead({
    ...{ db: world.database.db, clock: world.clock, view, checkStandby: world.rotation.checks[0] as Check },
  });
  for (const expected of [5000, 10_000]) {
    await standbys.turn();
    t.equal(read, expected);
  }
  t.same(world.calls(), []);
  await standbys.turn();
  t.equal(read, 12_000);
  t.same(world.calls(), ['ok', 'ok']);
});

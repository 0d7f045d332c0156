// Revoking the key that signs where AWS STS refuses its standby: what is said, and how the ring goes on.
import t, { type Test } from 'tap';
import { SYSTEM } from '../../../src/audit/act.ts';
import { hold } from '../../../src/keys/hold.ts';
import { LOOPBACK_POLICY, seasoning } from '../../../src/keys/policy.ts';
import { countProofs } from '../../../src/keys/proofs.ts';
import { revoke } from '../../../src/keys/revoke.ts';
import { rotateNow } from '../../../src/keys/rotate.ts';
import { type CanaryWorld, openCanaryWorld } from './world.ts';

const LONG = 365 * 86_400;
const person = { ...SYSTEM, id: 'ad_alice', reason: 'a drill' };

/** A world whose STS keeps the JWKS that it has, and was asked about the next standby often enough to be believed. */
async function openRefused(t: Test): Promise<CanaryWorld> {
  const world = await openCanaryWorld(t, { jwksCacheSeconds: LONG });
  await rotateNow(world.rotation, world.ringId, SYSTEM);
  await world.step(seasoning(LOOPBACK_POLICY));
  const kid = await world.standby();
  for (let looks = 1; looks <= 3; looks += 1) {
    const ring = await world.ring();
    await world.rotation.checks[0]?.(ring, ring.keys.find((key) => key.kid === kid) as (typeof ring.keys)[0]);
    await world.step(60_000);
  }
  return world;
}

t.test('revoking the key that signs while STS refuses its standby: said beforehand, and replaced first', async (t) => {
  const world = await openRefused(t);
  const [active, standby] = [await world.active(), await world.standby()];
  const { rotation, ringId: ring } = world;
  const once = { ring, kid: active, acceptOutage: false };
  await t.rejects(revoke(rotation, once, person), {
    code: 'standby_refused_by_sts',
    message: new RegExp(`refused the standby key ${standby} at the last 3 looks \\(InvalidIdentityToken\\)`),
    options: { hint: new RegExp(`countersign key revoke platform ${standby}.*accept_outage`) },
  });
  t.equal(await world.active(), active, 'nothing was done');

  await t.test('replacing it lets the ring go on by itself', async (t) => {
    t.ok(((await world.ring()).heldUntil ?? 0) > world.clock.database(), 'held, since STS refuses it');
    await revoke(rotation, { ring, kid: standby, acceptOutage: false }, person);
    t.notOk(((await world.ring()).heldUntil ?? 0) > world.clock.database(), 'the hold ended with what it was for');
    t.match(await world.records('key.resumed'), [{ actor: 'ad_alice', details: { ring, next_rotation_at: /Z$/ } }]);
    t.match(await countProofs(world.database.db), { refused: 0 });
  });
});

t.test('with the outage accepted a refused standby signs, and the answer and the log say what to do', async (t) => {
  const world = await openRefused(t);
  const [active, standby] = [await world.active(), await world.standby()];
  const { rotation, ringId: ring } = world;
  const told = {
    was: 'active',
    warnings: [new RegExp(`${standby}.*it signs now: callers may be refused.*revoke it too`)],
  };
  t.match(await revoke(rotation, { ring, kid: active, acceptOutage: true }, person), told);
  t.equal(await world.active(), standby);
  t.match(await world.records('key.revoked'), [{ details: { kid: active, warnings: [/AWS STS refused/] } }]);
  t.notOk(((await world.ring()).heldUntil ?? 0) > world.clock.database(), 'the next standby is another');
});

t.test("a person's hold does not end with a standby", async (t) => {
  const world = await openCanaryWorld(t);
  const { rotation, ringId: ring } = world;
  await hold(rotation, ring, { duration: 60_000 }, person);
  await revoke(rotation, { ring, kid: await world.standby(), acceptOutage: false }, person);
  t.ok(((await world.ring()).heldUntil ?? 0) > world.clock.database());
});

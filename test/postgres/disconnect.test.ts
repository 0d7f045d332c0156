// A disconnect beside a rotation: whichever commits second, no private half of the issuer is left.
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { refusal, rotateLocked, lock } from '../../src/keys/rotate.ts';
import { standbyKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';
import { overlap, type Write } from '../support/overlap.ts';

async function open(t: Test) {
  const { database, deps, ring, ringId, clock } = await createKeysFixture(t);
  const found = await ring();
  const next = await deps.rings.prepareKey(found);
  const looked = standbyKey(found.keys, clock.database())?.kid;
  const rotate: Write = async (trx) => {
    const locked = await lock(trx, ringId, deps.readClock);
    const refused = refusal(locked, looked);
    if (refused) throw refused;
    await rotateLocked(trx, deps.rings, locked, next, SYSTEM);
  };
  const disconnect: Write = (trx) => deps.rings.destroyPrivateKeys(trx, found.issuer);
  return { rotate, disconnect, left: () => database.db.selectFrom('private_keys').select('kid').execute() };
}

t.test('a rotation, then a disconnect: the standby that was just published goes, too', async (t) => {
  const { rotate, disconnect, left } = await open(t);
  t.strictSame(await overlap(t, rotate, disconnect), [undefined, undefined]);
  t.strictSame(await left(), []);
});

t.test('a disconnect, then a rotation: nothing is published any more', async (t) => {
  const { rotate, disconnect, left } = await open(t);
  t.strictSame(await overlap(t, disconnect, rotate), [undefined, 'ring_retired']);
  t.strictSame(await left(), []);
});

// A replica that was slower takes the next ring that is due, and does not think that none is.
import t from 'tap';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { leaseDueRing } from '../../src/keys/queue.ts';
import { insertRings } from '../keys/due-rings.ts';
import { createKeysFixture } from '../support/keys.ts';
import { overlap } from '../support/overlap.ts';

t.test('who finds a ring leased since it looked takes the next', async (t) => {
  const { database, clock } = await createKeysFixture(t);
  await insertRings(database.db, 2);
  const now = clock.wall() + LOOPBACK_POLICY.period;
  const leased_until = new Date(now + 60_000);
  const leased: (string | undefined)[] = [];
  const ended = await overlap(
    t,
    (trx) => trx.insertInto('rotation_leases').values({ ring: 'r000001', leased_until }).execute(),
    async (trx) => void leased.push(await leaseDueRing(trx, now)),
  );
  t.strictSame(ended, [undefined, undefined]);
  t.strictSame(leased, ['r000002']);
});

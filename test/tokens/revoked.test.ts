// Catching up with revocations: the keys are read once for each policy epoch, and nobody depends on that.
import t from 'tap';
import { createRevoked } from '../../src/tokens/revoked.ts';

t.test(
  'the keys are read once for each epoch, again after a read that failed, and a failure holds up nobody',
  async (t) => {
    let reads = 0;
    let away = false;
    const { catchUp, stillPublished } = createRevoked({
      refresh: async () => {
        reads += 1;
        if (away) throw new Error('away');
      },
      find: () => [],
      now: () => 0,
    });
    for (const epoch of [7, 7, 7]) await catchUp(epoch);
    t.equal(reads, 1, 'nothing while it stands');
    away = true;
    await catchUp(9);
    await catchUp(9);
    t.equal(reads, 3);
    await t.rejects(stillPublished('k'), { message: 'away' }, 'what nobody can tell is not said');
    away = false;
    await catchUp(9);
    await catchUp(9);
    t.equal(reads, 5);
    t.equal(await stillPublished('k'), false);
  },
);

// Three processes, killed at random under load, rotate their keys: every token is verified by strangers, and none is refused.
import t from 'tap';
import { createRandom } from '../soak/random.ts';
import { rotateUnderLoad } from '../soak/rotations.ts';
import { testDatabaseUrl } from '../support/databases.ts';

const [ROTATIONS, AT_ONCE, KILLS] = [8, 1, 3];

t.test('no token of an unrevoked key is refused while keys rotate under load', async (t) => {
  const { refused, ...counts } = await rotateUnderLoad(t, {
    ...{ databaseUrl: (await testDatabaseUrl(t)) as string, random: createRandom(20_261_126) },
    done: ({ rotations, kills }) => rotations >= ROTATIONS && kills >= KILLS,
  });
  t.same(refused, []);
  t.ok(counts.rotations >= ROTATIONS && counts.atOnce >= AT_ONCE && counts.kills >= KILLS);
  t.ok(counts.tokens > 1000 && counts.verified === counts.tokens, 'under load, and each token was verified');
  t.ok(counts.again > 100 && counts.revocations > 0 && counts.kids > ROTATIONS);
  t.comment(JSON.stringify(counts));
});

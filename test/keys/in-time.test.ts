// A key act commits within half of e of the time in its rows: later it is rolled back and done anew, a revocation done all the same.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import type { Transaction } from '../../src/db/connect.ts';
import type { Db } from '../../src/db/connect.ts';
import { changePolicy } from '../../src/keys/change-policy.ts';
import { halfOfError, LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { revokeAll } from '../../src/keys/revoke-all.ts';
import { isRevoked } from '../../src/keys/store.ts';
import { rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { activeKey, standbyKey } from '../../src/keys/timeline.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';

const MOST = halfOfError(LOOPBACK_POLICY);

/** Acts of which one after the other takes so long from the time in its rows to its commit; milliseconds, then nothing. */
function slowly({ deps, clock }: KeysFixture, ...lateness: number[]) {
  const dated = new WeakSet<Db>();
  const readClock = async (db: Db): Promise<number> => {
    if (db.isTransaction && dated.has(db)) clock.step(lateness.shift() ?? 0);
    dated.add(db);
    return clock.database();
  };
  return { ...deps, readClock };
}

async function listKinds({ database }: KeysFixture): Promise<string[]> {
  const rows = await database.db
    .selectFrom('audit')
    .select('kind')
    .where('kind', 'like', 'key%')
    .orderBy('seq')
    .execute();
  return rows.map(({ kind }) => kind).filter((kind) => kind !== 'key_policy.seeded');
}

t.test('a rotation that commits too late is done anew, with a time of its own', async (t) => {
  const world = await createKeysFixture(t);
  const began = world.clock.database();
  const rotated = await rotateNow(slowly(world, MOST + 1, MOST), world.ringId, SYSTEM);
  t.equal(rotated.signs_from, new Date(began + MOST + 1).toISOString(), 'the second try, which was in time');
  const { keys } = await world.ring();
  t.equal(keys.length, 3, 'nothing is left of the first');
  t.equal(standbyKey(keys, world.clock.database())?.publishedAt, began + MOST + 1);
  t.same(await listKinds(world), ['key.rotated']);
});

t.test('one that is too late each time is refused, and nothing is done', async (t) => {
  const world = await createKeysFixture(t);
  const before = await world.ring();
  const late = [MOST + 1, MOST + 1, MOST + 1];
  const refused = { code: 'unavailable', options: { retryAfter: 1, hint: /--clock-error/ } };
  await t.rejects(rotateNow(slowly(world, ...late), world.ringId, SYSTEM), refused);
  t.same(await world.ring(), before);
  world.clock.step(LOOPBACK_POLICY.period);
  await t.rejects(rotateDue(slowly(world, ...late), world.ringId, SYSTEM), refused, 'by the clock neither');
  t.same(await world.ring(), before);
  t.same(await listKinds(world), []);
  t.ok(await rotateNow(world.deps, world.ringId, SYSTEM), 'and then the log goes on');
});

t.test('a revocation is late rather than lost, and says so', async (t) => {
  const world = await createKeysFixture(t);
  const { kid, predecessor } = await rotateNow(world.deps, world.ringId, SYSTEM);
  world.clock.step(seasoning(LOOPBACK_POLICY));
  const active = { ring: world.ringId, kid, acceptOutage: false };
  // The key that is revoked signed the token that this is done with.
  const confirm = async (trx: Transaction) => {
    if (await isRevoked(trx, kid)) throw new Error('it does nothing more');
  };
  const done = await revoke(slowly(world, MOST + 1, MOST + 1, MOST + 700), active, { ...SYSTEM, confirm });
  t.match(done, { was: 'active', warnings: [/700 ms longer.*replace the standby/] });
  const forgeries = Date.parse(done.forgeries_until) - Date.parse(done.revoked_at);
  t.equal(forgeries, seasoning(LOOPBACK_POLICY) + 700, 'forgeries may pass for as much longer');
  t.not(activeKey((await world.ring()).keys, world.clock.database())?.kid, kid);
  t.same(await listKinds(world), ['key.rotated', 'key.revoked', 'key.revoked_late']);

  const again = await revoke(
    slowly(world, MOST + 1),
    { ...active, kid: standbyKey((await world.ring()).keys, world.clock.database())?.kid as string },
    SYSTEM,
  );
  t.equal(again.warnings, undefined, 'the second try was in time');
  const ended = await revoke(slowly(world, 60_000), { ...active, kid: predecessor }, SYSTEM);
  t.match(ended, { was: 'verify_only', warnings: undefined }, 'nobody reckons from the end of a verify-only key');

  const all = { ring: world.ringId, acceptOutage: true };
  t.match(await revokeAll(slowly(world, MOST + 1, MOST + 1, MOST + 1), all, SYSTEM), {
    changed: true,
    warnings: [/1 ms longer/],
  });
});

t.test('a lowered policy counts from its time, and commits in time; a raised one may be late', async (t) => {
  const world = await createKeysFixture(t);
  const { verifierCache, clockError } = LOOPBACK_POLICY;
  const change = (policy: object, replaces: number, ...late: number[]) =>
    changePolicy(
      { ...slowly(world, ...late), db: world.database.db },
      { policy: { ...LOOPBACK_POLICY, ...policy }, replaces, dryRun: false },
      SYSTEM,
    );
  const late = [MOST + 1, MOST + 1, MOST + 1];
  await t.rejects(change({ verifierCache: verifierCache - 1000 }, 1, ...late), { code: 'unavailable' });
  t.match(
    await change({ clockError: clockError + 9000 }, 1, ...late),
    { changed: true },
    'a slow database is given time',
  );
  t.match(await change({ verifierCache: verifierCache - 1000 }, 2, 5 * MOST), { changed: true });
});

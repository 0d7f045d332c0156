// The queue of rotations: three replicas over many rings, oldest first, none twice, a few at a time.
import { sql } from 'kysely';
import t from 'tap';
import { createAct } from '../../src/audit/act.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { createSpread, leaseDueRing, rotateDueRings } from '../../src/keys/queue.ts';
import { nextRotationAt } from '../../src/keys/timeline.ts';
import { engine } from '../support/databases.ts';
import { createKeysFixture, steppedClock } from '../support/keys.ts';
import { insertRings } from './due-rings.ts';

t.test('due rings rotate oldest first', async (t) => {
  const { deps, clock, database } = await createKeysFixture(t);
  await insertRings(database.db, 20);
  clock.step(LOOPBACK_POLICY.period - 1);
  const asked: string[] = [];
  const checks = [async ({ id }: { id: string }) => void asked.push(id)];
  t.equal(await rotateDueRings({ ...deps, checks }, { lanes: 1 }), 20);
  t.equal(asked.length, 20);
  t.same(asked, [...asked].sort());
});

t.test('three replicas: each due ring once, about the oldest first, a few at a time', async (t) => {
  const count = engine === 'postgresql' ? 1500 : 60;
  const { deps, clock, database } = await createKeysFixture(t);
  const { db } = database;
  await insertRings(db, count);
  clock.step(LOOPBACK_POLICY.period - 1);
  let [busy, most] = [0, 0];
  const asked: string[] = [];
  const replica = () => ({
    ...deps,
    act: createAct(createAuditStream({ database, clock })),
    checks: [
      async ({ id }: { id: string }) => {
        asked.push(id);
        most = Math.max(most, ++busy);
        await new Promise((resolve) => setImmediate(resolve));
        busy -= 1;
        return undefined;
      },
    ],
  });
  const started = performance.now();
  const done = await Promise.all(
    Array.from({ length: 3 }, () => rotateDueRings(replica(), { limit: count, lanes: 2 })),
  );
  const seconds = (performance.now() - started) / 1000;
  t.equal(
    done.reduce((sum, rotated) => sum + rotated, 0),
    count,
  );
  t.equal(new Set(asked).size, asked.length, 'no ring was looked at twice');
  t.equal(asked.length, count);
  // A lane that has leased one may be kept waiting while the others go on.
  const outOfOrder = asked.filter((id, index) => Math.abs(Number(id.slice(1)) - 1 - index) > 150);
  t.same(outOfOrder, [], 'about the oldest first');
  t.ok(most <= 6, `${most} at once`);
  if (engine === 'postgresql') t.ok(done.every(Boolean), 'each replica had a part');
  const { rows } = await sql<{ twice: number }>`
    select count(*)::int as twice from activations where seq > 1 and ring like 'r0%'`.execute(db);
  t.equal(rows[0]?.twice, 0);
  t.same(await db.selectFrom('rotation_leases').selectAll().execute(), []);
  t.comment(`${count} rings in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} a second`);
});

t.test('a ring whose rotation fails is passed by until its lease ends, and holds up nobody', async (t) => {
  const { deps, clock, database } = await createKeysFixture(t);
  await insertRings(database.db, 3);
  clock.step(LOOPBACK_POLICY.period - 1);
  const failing = {
    ...deps,
    checks: [
      async ({ id }: { id: string }) => {
        if (id === 'r000001') throw new Error('no');
        return undefined;
      },
    ],
  };
  await t.rejects(rotateDueRings(failing, { lanes: 1 }), { message: 'no' });
  const rotated = await database.db.selectFrom('activations').select('ring').where('seq', '=', 1).execute();
  t.same(rotated.map(({ ring }) => ring).sort(), ['r000002', 'r000003']);
  t.equal(await rotateDueRings(deps), 0, 'it is leased');
  clock.step(119_999);
  t.not(await leaseDueRing(database.db, clock.database()), 'r000001');
  clock.step(1);
  t.equal(await leaseDueRing(database.db, clock.database()), 'r000001', 'as after a crash');
  t.not(await leaseDueRing(database.db, clock.database()), 'r000001', 'by one');
});

t.test('a turn of the service begins no ring when its time is over', async (t) => {
  const { deps, clock, database } = await createKeysFixture(t);
  await insertRings(database.db, 5);
  clock.step(LOOPBACK_POLICY.period - 1);
  const slow = {
    ...deps,
    checks: [
      async () => {
        clock.step(1000);
        return undefined;
      },
    ],
  };
  const turn = () => rotateDueRings(slow, { lanes: 1, spread: createSpread(clock) });
  t.equal(await turn(), 2);
  t.equal(await turn(), 2, 'and the next goes on');
});

t.test('rings are spread over a turn, and a slow database is given time', async (t) => {
  const clock = steppedClock();
  const slept: number[] = [];
  const spread = createSpread(clock, async (ms) => void slept.push(ms));
  const began = spread.now();
  clock.step(30);
  await spread.rest(began, 2);
  await spread.rest(began, 50);
  await spread.rest(began, 60_000);
  t.same(slept, [150, 500, 1800], 'what is left of its share; ten times the answer; a turn at most');
  clock.step(1800);
  await spread.rest(began, 50);
  t.equal(slept.length, 3, 'not behind the end of the turn');
});

t.test('rings that were born together rotate apart, none early', async (t) => {
  const kids = Array.from({ length: 1000 }, (_, n) => Buffer.alloc(32, `${n}!`).toString('base64url'));
  const shuffled = kids.map((kid) => Buffer.from(kid).toString('base64url'));
  const { createHash } = await import('node:crypto');
  const at = shuffled.map((kid) =>
    nextRotationAt(
      { signsFrom: 0 },
      { kid: createHash('sha256').update(kid).digest('base64url'), publishedAt: 0, bornWithRing: true },
      { ...LOOPBACK_POLICY, period: 2_000_000 },
    ),
  );
  t.ok(Math.min(...at) >= 2_000_000);
  t.ok(Math.max(...at) < 2_100_000);
  const tenths = Map.groupBy(at, (time) => Math.floor((time - 2_000_000) / 10_000));
  t.equal(tenths.size, 10);
  for (const [, times] of tenths) t.ok(times.length > 60 && times.length < 140, `${times.length} in a tenth`);
});

// How late rotations are, as a scrape says it: by what signs, however often the queue puts a ring off.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { Problem } from '../../src/errors.ts';
import { insertIssuer } from '../../src/issuers/store.ts';
import { hold } from '../../src/keys/hold.ts';
import { findOverdueSince } from '../../src/keys/overdue.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { rotateDueRings } from '../../src/keys/queue.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { plannedAt, standbyKey } from '../../src/keys/timeline.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { watched } from '../../src/watched.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';
import { PATIENCE_MS } from '../support/until.ts';
import { readScrape } from './scrape.ts';

const { period, verifierCache: A, clockError: E } = LOOPBACK_POLICY;
const HOUR = 3_600_000;
/** Past every plan: the period, and the twentieth of it by which rings part. */
const LATE = period * 1.05 + 2 * HOUR;
const ALICE = { ...SYSTEM, id: 'ad_alice', reason: 'their change freeze' };

/** @returns what a scrape says, once what was kept is old */
async function openScrape(fixture: KeysFixture): Promise<() => Promise<number>> {
  const { database, clock } = fixture;
  const view = fixture.view();
  const metrics = createMetrics({ version: '1.2.3' });
  const stream = { waiting: () => ({ appends: 0, oldest: 0 }) };
  const traffic = { open: 0, refused: 0, refusedOfAddress: 0, cut: 0 };
  metrics.watch(
    watched({
      ...{ database, clock, view, readiness: async () => undefined, sessions: { size: 0 } },
      streams: { tokens: stream, acts: stream } as unknown as Parameters<typeof watched>[0]['streams'],
      selfCheck: { latest: () => undefined },
      listeners: {
        traffic: { public: { ...traffic }, internal: { ...traffic }, host: { ...traffic } },
        certificate: () => undefined,
      },
    }),
  );
  return async () => {
    clock.step(30_001);
    await view.refresh();
    for (const end = performance.now() + PATIENCE_MS; ; ) {
      const scrape = readScrape(await metrics.render());
      const overdue = 'countersign_rotation_overdue_seconds';
      // It is left out where the database did not answer in time.
      if (scrape.samples.has(overdue) || performance.now() > end) return scrape.value(overdue);
    }
  };
}

const notServed = async (): Promise<Problem> => new Problem('standby_not_served', 'It is not served.', { hint: 'No.' });

t.test('a ring that is put off again and again is late, and one whose rotations are held is not', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock, ringId } = fixture;
  const failing = { ...deps, checks: [notServed] };
  const overdue = await openScrape(fixture);
  t.equal(await overdue(), 0);
  clock.step(LATE);
  t.equal(await rotateDueRings(failing), 0, 'it is put off by a minute');
  const planned = plannedAt((await fixture.ring()).keys, LOOPBACK_POLICY, clock.database()) as number;
  const late = await overdue();
  t.ok(late > 3600, `${late} s`);
  t.equal(late, (clock.database() - planned) / 1000);
  await hold(deps, ringId, { duration: HOUR }, ALICE);
  t.equal(await overdue(), 0, 'held');
  clock.step(HOUR);
  t.equal(await overdue(), (clock.database() - planned) / 1000, 'and no longer');
  t.equal(await rotateDueRings(deps), 1);
  t.equal(await overdue(), 0);
});

t.test('of many rings, the one that is late for longest and that nobody holds', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock, database } = fixture;
  const ids = ['is_1', 'is_2', 'is_3'];
  for (const issuer of ids) {
    clock.step(10_000);
    const prepared = await deps.rings.prepare({ issuer, algorithm: 'ES256', purpose: 'web_identity_token' });
    await deps.act(SYSTEM, async (trx) => {
      await insertIssuer(trx, { id: issuer, kind: 'connection' });
      await deps.rings.insert(trx, prepared, SYSTEM);
      return { result: undefined, records: [], affectsDecisions: false };
    });
  }
  const overdue = await openScrape(fixture);
  clock.step(LATE);
  const first = await overdue();
  await hold(deps, fixture.ringId, { duration: HOUR }, ALICE);
  const second = await overdue();
  t.ok(second < first + 30 && second > 3600, `${second} s, ${first} s before`);
  for (const issuer of ids) await hold(deps, `${issuer}:ES256`, { duration: HOUR }, ALICE);
  t.equal(await overdue(), 0);
  const now = clock.database();
  const many = Array.from({ length: 600 }, (_, index) => ({ ring: `gone_${index}`, plannedAt: now - 2 * HOUR }));
  const last = { ring: 'is_3:ES256', plannedAt: now - HOUR };
  t.equal(await findOverdueSince(database.db, [...many, last], now), undefined);
  const found = await findOverdueSince(database.db, [...many, last], now + HOUR);
  t.ok(found !== undefined && found < now - HOUR, 'behind hundreds that are gone, when its hold is over');
});

t.test('a standby that was published as a file late is not due before A + e after that', async (t) => {
  const fixture = await createKeysFixture(t);
  const { deps, clock, database, ringId } = fixture;
  const db = database.db;
  await rotateNow(deps, ringId, SYSTEM);
  const at = new Date(clock.database());
  const target = { id: 'tg_1', target: 's3://documents', seq: 1, at, reason: 'a test', actor: 'host' };
  await db.insertInto('publishing_targets').values(target).execute();
  const overdue = await openScrape(fixture);
  clock.step(LATE);
  t.equal(await rotateDueRings(deps), 0);
  t.ok((await overdue()) > 3600, 'a copy lacks it');
  const { kid } = standbyKey((await fixture.ring()).keys, clock.database()) as { kid: string };
  const placed = clock.database() + 30_001 - A;
  await db
    .insertInto('placements')
    .values({ target: 'tg_1', kid, placed_at: new Date(placed) })
    .execute();
  t.equal(await overdue(), 0, 'placed A ago');
  t.equal(await overdue(), (clock.database() - (placed + A + E)) / 1000);
});

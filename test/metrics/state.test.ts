// Gauges beside the service: a hundred thousand rings, and a database that hangs.
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import type { Ring } from '../../src/keys/facts.ts';
import { DEFAULT_POLICY } from '../../src/keys/policy.ts';
import { measureKeyAges } from '../../src/metrics/keys.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { StateSources } from '../../src/metrics/state.ts';
import type { Term } from '../../src/reach/renewal.ts';
import { readScrape } from './scrape.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-26T12:00:00Z');

function ring(index: number, ageDays: number, retired = false): Ring {
  const at = NOW - ageDays * DAY;
  const key = { publishedAt: at, bornWithRing: true, public: new Uint8Array() };
  return {
    ...{ id: `r${index}`, issuer: `i${index}`, algorithm: 'ES256', purpose: 'web_identity_token', retired },
    keys: [
      { ...key, kid: 'a', seq: 0, signsFrom: at },
      { ...key, kid: 'b' },
    ],
  };
}

t.test('ages of a hundred thousand rings, in turns short enough for everybody else', async (t) => {
  const all = Array.from({ length: 100_000 }, (_, index) => [ring(index, index % 40)]);
  all.push([ring(100_000, 400, true)]);
  let turns = 0;
  let measuring = true;
  const others = (): void => {
    turns += 1;
    if (measuring) setImmediate(others);
  };
  setImmediate(others);
  const ages = await measureKeyAges(all, NOW, DEFAULT_POLICY);
  measuring = false;
  t.ok(turns >= 40, `${turns} turns of the loop for others`);
  t.equal(ages.rings, 100_000, 'a removed connection has no ring that anybody rotates');
  t.equal(ages.late.length, 22_500, 'those of 31 days and more');
  for (const state of [ages.active, ages.standby]) {
    t.equal(state.count, 100_000);
    t.equal(state.oldest, (39 * DAY) / 1000);
    t.same(
      state.upTo,
      [2500, 2500, 2500, 5000, 20_000, 77_500, 80_000, 90_000, 100_000, 100_000, 100_000],
      'how many are at most a minute, 5 minutes, an hour, 1, 7, 30, 31, 35, 45, 60, 90 days old',
    );
  }
});

const never = <T>(): Promise<T> => new Promise<T>(() => {});

const quiet = { open: 0, refused: 0, refusedOfAddress: 0, cut: 0 };
const traffic = () => ({ public: { ...quiet }, internal: { ...quiet }, host: { ...quiet } });

function sources(more: Partial<StateSources> = {}): StateSources {
  const waiting = () => ({ appends: 3, oldest: 250 });
  return {
    clock: systemClock,
    view: {
      ...{ now: () => NOW, policy: () => DEFAULT_POLICY, all: () => [[ring(0, 3)]] },
      ...{ age: () => 4000, clockOffset: () => -20 },
    },
    streams: { tokens: { waiting }, acts: { waiting } },
    pool: () => ({ total: 10, idle: 4, waiting: 7 }),
    isReady: async () => true,
    databaseAnswers: async () => true,
    readRotationQueue: async () => ({ due: 2, earliest: NOW - 7_200_000 }),
    findOverdueSince: async () => NOW - 7_200_000,
    countVerifications: async () => 5,
    countSessions: () => 4,
    countProofs: async () => ({ refused: 2, oldestSignsFrom: NOW - DAY, underWay: 3 }),
    selfCheck: () => ({ ok: false, certificate: { from: NOW - 4 * DAY, until: NOW + DAY } }),
    readKekProgress: async () => ({ left: 12, troubled: true }),
    isSealed: async () => true,
    readPublishing: async () => ({ passedAt: NOW - 60_000, revoked: 3 }),
    listeners: { traffic: traffic(), certificate: () => undefined },
    ...more,
  };
}

t.test('a database that hangs holds up no scrape, and nothing is made up', { timeout: 20_000 }, async (t) => {
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.watch(
    sources({
      ...{
        databaseAnswers: never,
        isReady: never,
        readRotationQueue: never,
        findOverdueSince: never,
        countVerifications: never,
        countProofs: never,
      },
      isSealed: never,
      readPublishing: never,
    }),
  );
  const [first, second] = await Promise.all([metrics.render(), metrics.render()]);
  t.equal(first, second, 'one look for all who ask at once');
  const { value, samples } = readScrape(first);
  t.equal(value('countersign_database_up'), 0);
  t.equal(value('countersign_ready{capability="tokens"}'), 0);
  t.equal(value('countersign_ring_view_age_seconds'), 4);
  t.equal(value('countersign_audit_appends_waiting{stream="tokens"}'), 3);
  for (const name of [
    'countersign_verifications_pending',
    'countersign_rotations_due',
    'countersign_rotation_overdue_seconds',
    'countersign_next_rotation_seconds',
    'countersign_sealed',
    'countersign_standbys_refused',
    'countersign_standby_refused_harm_timestamp_seconds',
    'countersign_revocations_unproved',
    'countersign_kek_private_halves_left',
    'countersign_kek_rotation_troubled',
    'countersign_publishing_pass_age_seconds',
  ])
    t.notOk(samples.has(name), name);
});

t.test(
  'what hangs takes no other figure along: a KMS that does not answer, or one table',
  { timeout: 20_000 },
  async (t) => {
    const seen = async (more: Partial<StateSources>) => {
      const metrics = createMetrics({ version: '1.2.3' });
      metrics.watch(sources(more));
      return readScrape(await metrics.render());
    };
    const kms = await seen({
      isReady: (capability) => (/tokens|broker/.test(capability) ? never() : Promise.resolve(true)),
    });
    t.equal(kms.value('countersign_database_up'), 1);
    for (const [capability, there] of Object.entries({ documents: 1, admin: 1, tokens: 0, broker: 0 }))
      t.equal(kms.value(`countersign_ready{capability="${capability}"}`), there, capability);
    const table = await seen({ readKekProgress: never });
    t.equal(table.value('countersign_database_up'), 1);
    t.equal(table.value('countersign_ready{capability="tokens"}'), 1);
    t.notOk(table.samples.has('countersign_kek_rotation_troubled'));
    for (const { value } of [kms, table]) {
      t.equal(value('countersign_sealed'), 1);
      t.equal(value('countersign_publishing_revoked_keys'), 3);
      t.equal(value('countersign_rotation_overdue_seconds'), 7200);
    }
    t.equal(kms.value('countersign_kek_rotation_troubled'), 1);
  },
);

t.test('what is asked of the database is asked once in some seconds, however often it is scraped', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' });
  let asked = 0;
  metrics.watch(
    sources({
      clock: { wall: () => NOW, monotonic: () => 0 },
      databaseAnswers: async () => {
        asked += 1;
        return true;
      },
    }),
  );
  for (let scrapes = 0; scrapes < 20; scrapes += 1) await metrics.render();
  t.equal(asked, 1);
  const { value } = readScrape(await metrics.render());
  t.equal(value('countersign_rotations_due'), 2);
  t.equal(value('countersign_rotation_overdue_seconds'), 7200);
  t.equal(value('countersign_next_rotation_seconds'), 0);
  t.equal(value('countersign_verifications_pending'), 5);
  t.equal(value('countersign_sessions_kept'), 4);
  t.equal(value('countersign_standbys_refused'), 2);
  t.equal(
    value('countersign_standby_refused_harm_timestamp_seconds'),
    (NOW - DAY + DEFAULT_POLICY.period) / 1000,
    'when the eldest key is older than its period',
  );
  t.equal(value('countersign_revocations_unproved'), 3);
  t.equal(value('countersign_kek_private_halves_left'), 12);
  t.equal(value('countersign_kek_rotation_troubled'), 1);
  t.equal(value('countersign_database_pool_connections{state="busy"}'), 6);
  t.equal(value('countersign_database_pool_waiting'), 7);
  t.equal(value('countersign_self_check_ok'), 0);
  t.equal(value('countersign_sealed'), 1);
  t.equal(value('countersign_publishing_pass_age_seconds'), 60);
  t.equal(value('countersign_publishing_revoked_keys'), 3);
  t.equal(value('countersign_issuer_certificate_expiry_timestamp_seconds'), (NOW + DAY) / 1000);
  t.equal(value('countersign_issuer_certificate_renew_by_timestamp_seconds'), NOW / 1000, 'its last fifth');
  t.equal(value('countersign_clock_offset_seconds'), -0.02);
});

t.test(
  'each listener counts apart, what was shown is not counted twice, and a certificate is shown where there is one',
  async (t) => {
    const metrics = createMetrics({ version: '1.2.3' });
    const counted = traffic();
    const shownNow: { certificate?: Term } = {};
    metrics.watch(sources({ listeners: { traffic: counted, certificate: () => shownNow.certificate } }));
    const shown = async () => readScrape(await metrics.render());
    const before = await shown();
    t.equal(
      before.value('countersign_listener_connections_cut_total{listener="host"}'),
      0,
      'all are there from the start',
    );
    t.notMatch(before.text, /listener_certificate_\w+\{/);
    Object.assign(counted.public, { open: 3, refused: 2, refusedOfAddress: 5, cut: 1 });
    counted.internal.open = 7;
    shownNow.certificate = { from: NOW - 10 * DAY, until: NOW };
    await shown();
    const { value, samples } = await shown();
    t.equal(value('countersign_listener_connections{listener="public"}'), 3);
    t.equal(value('countersign_listener_connections{listener="internal"}'), 7);
    t.equal(value('countersign_listener_connections_refused_total{listener="public",bound="listener"}'), 2);
    t.equal(value('countersign_listener_connections_refused_total{listener="public",bound="address"}'), 5);
    t.equal(value('countersign_listener_connections_refused_total{listener="internal",bound="address"}'), 0);
    t.equal(value('countersign_listener_connections_cut_total{listener="public"}'), 1);
    t.equal(value('countersign_listener_certificate_expiry_timestamp_seconds{listener="internal"}'), NOW / 1000);
    const due = value('countersign_listener_certificate_renew_by_timestamp_seconds{listener="internal"}');
    t.equal(due, (NOW - 2 * DAY) / 1000, 'its last fifth');
    t.equal(samples.size, before.samples.size + 2, 'no series for anything else');
    counted.public.refused += 4;
    t.equal(
      (await shown()).value('countersign_listener_connections_refused_total{listener="public",bound="listener"}'),
      6,
    );
  },
);

t.test('a code that nobody foresaw is no label, and two services count apart', async (t) => {
  const [one, other] = [createMetrics({ version: '1.2.3' }), createMetrics({ version: '1.2.3' })];
  const before = readScrape(await one.render());
  for (const code of ['eyJhbGciOiJFUzI1NiJ9.e30.x', 'cn_abc', 'toString', '__proto__']) {
    one.count.refusal('stranger', code);
    one.count.refusal('known', code);
    one.count.failure(code);
  }
  const { value, samples, text } = readScrape(await one.render());
  t.equal(value('countersign_strangers_refused_total{code="other"}'), 4);
  t.equal(value('countersign_refusals_total{code="other"}'), 4);
  t.equal(value('countersign_failures_total{code="other"}'), 4);
  t.equal(samples.size, before.samples.size);
  t.notMatch(text, /eyJ|cn_abc|toString|__proto__/);
  t.equal(readScrape(await other.render()).value('countersign_failures_total{code="other"}'), 0);
});

t.test('ages that take long to look through are those of the last look meanwhile', { timeout: 60_000 }, async (t) => {
  let now = 0;
  let long = false;
  let looks = 0;
  const few = [[ring(0, 3)]];
  function* all() {
    looks += 1;
    yield* few;
    // In turns, for longer than any scrape waits.
    while (long) yield [];
  }
  const metrics = createMetrics({ version: '1.2.3' });
  const clock = { wall: () => NOW, monotonic: () => now };
  metrics.watch(sources({ clock, view: { ...sources().view, all } }));
  t.equal(readScrape(await metrics.render()).value('countersign_rings'), 1);
  now += 29_000;
  await metrics.render();
  t.equal(looks, 1, 'a look lasts half a minute');
  long = true;
  now += 2000;
  t.equal(readScrape(await metrics.render()).value('countersign_rings'), 1, 'the scrape did not wait for its end');
  t.equal(looks, 2);
  long = false;
});

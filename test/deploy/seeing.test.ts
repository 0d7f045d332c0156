// Alert rules, runbooks and dashboard: they name what a service really shows, each other, and nobody's single customer.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse as parseYaml } from 'yaml';
import { HANDOUT_OUTCOMES, STS_OUTCOMES, TOKEN_OUTCOMES } from '../../src/metrics/count.ts';
import { renewBy } from '../../src/reach/renewal.ts';
import { ROOT } from '../docs/pages.ts';
import { scrape, scrapeWhole } from '../metrics/scrape.ts';
import { startTestService } from '../support/service.ts';
import { evaluate, listSelectors, parse, type World } from './promql.ts';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; runbook_url: string };
}

const RULES = 'deploy/prometheus/countersign.rules.yaml';
const { groups } = parseYaml(readFileSync(join(ROOT, RULES), 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  title: string;
  type: string;
  id: number;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}
const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/countersign.json'), 'utf8')) as {
  uid: string;
  panels: Panel[];
};
/** Grafana's own variables, as it fills them in. */
const shown = dashboard.panels
  .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  .map((expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*'));

t.test('every rule is an alert with a name of its own, an expression, a severity and a runbook', async (t) => {
  t.ok(rules.length >= 15);
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations, ...rest } of rules) {
    t.match(alert, /^Countersign[A-Z][A-Za-z]+$/);
    t.doesNotThrow(() => parse(expr), alert);
    t.ok(['page', 'ticket'].includes(labels.severity), alert);
    t.ok(annotations.summary.endsWith('.'), alert);
    if (rest.for !== undefined) t.match(rest.for, /^\d+[smh]$/);
    const page = readFileSync(join(ROOT, annotations.runbook_url), 'utf8');
    t.match(page, `Alert \`${alert}\`.`, annotations.runbook_url);
    for (const heading of ['## What it means', '## How to see it', '## What to do']) t.match(page, heading, alert);
  }
});

t.test('every runbook is an alert’s', async (t) => {
  const pages = globSync('docs/runbooks/*.md', { cwd: ROOT }).filter((page) => !page.endsWith('README.md'));
  t.same(rules.map(({ annotations }) => annotations.runbook_url).sort(), pages.sort());
  const list = readFileSync(join(ROOT, 'docs/runbooks/README.md'), 'utf8');
  for (const { alert, annotations } of rules) {
    const [row] = list.split('\n').filter((line) => line.startsWith(`| \`${alert}\` |`));
    t.match(row, `(${annotations.runbook_url.slice('docs/runbooks/'.length)})`, alert);
  }
});

t.test('whatever rules, runbooks and dashboard name is shown by a running service, its labels too', async (t) => {
  const { types, samples } = await scrapeWhole((await startTestService(t)).url);
  const series = [...samples.keys()].map((text) => {
    const [, name = '', labels = ''] = /^([\w:]+)(?:\{(.*)\})?$/.exec(text) ?? [];
    return {
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value])),
    };
  });
  for (const expr of [...rules.map((rule) => rule.expr), ...shown]) {
    for (const { metric, matches, labels } of listSelectors(expr)) {
      // Of Prometheus itself.
      if (metric === 'up') continue;
      t.ok(types.has(metric) || types.has(metric.replace(/_(bucket|sum|count)$/, '')), `${metric} in ${expr}`);
      const all = series.filter(({ name }) => name === metric);
      // PGlite has no pool, and nobody has looked from outside.
      if (all.length === 0) continue;
      t.ok(
        all.some((one) => matches({ job: 'countersign', instance: 'here', ...one.labels })),
        `something is selected by ${expr}`,
      );
      for (const label of labels)
        t.ok(['job', 'instance'].includes(label) || label in (all[0]?.labels ?? {}), `${metric}: ${label}`);
    }
  }
  for (const page of globSync('docs/runbooks/*.md', { cwd: ROOT })) {
    for (const [, name = ''] of readFileSync(join(ROOT, page), 'utf8').matchAll(
      /`((?:countersign|nodejs|process)_\w+)/g,
    ))
      t.ok(types.has(name), `${page}: ${name}`);
  }
});

t.test('the dashboard has a place and a question for each panel, and shows every metric of ours', async (t) => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const { title, gridPos, targets = [] } of panels) {
    t.ok(gridPos.x + gridPos.w <= 24 && targets.length > 0, title);
    const overlaps = panels.filter(
      ({ gridPos: other }) =>
        other.x < gridPos.x + gridPos.w &&
        gridPos.x < other.x + other.w &&
        other.y < gridPos.y + gridPos.h &&
        gridPos.y < other.y + other.h,
    );
    t.equal(overlaps.length, 1, `${title} stands alone`);
  }
  for (const expr of shown) t.doesNotThrow(() => parse(expr), expr);
  const asked = new Set(
    shown.flatMap((expr) => listSelectors(expr).map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, ''))),
  );
  const { types } = await scrape((await startTestService(t)).url);
  for (const name of types.keys())
    if (name.startsWith('countersign_')) t.ok(asked.has(name.replace(/_(bucket|count)$/, '')), name);
});

const NOW = 1_800_000_000;
const job = 'countersign';
const instance = '10.0.0.5:8081';

/** What a scrape says of certificates that are good for `left` more days of `life`. */
function certificates(left: number, life: number): World {
  const until = NOW + left * 86_400;
  const by = renewBy({ from: (until - life * 86_400) * 1000, until: until * 1000 }) / 1000;
  const samples = (value: number, labels: Record<string, string> = {}) => [
    { labels: { job, instance, ...labels }, value },
  ];
  return {
    countersign_issuer_certificate_expiry_timestamp_seconds: samples(until),
    countersign_issuer_certificate_renew_by_timestamp_seconds: samples(by),
    countersign_listener_certificate_expiry_timestamp_seconds: samples(until, { listener: 'internal' }),
    countersign_listener_certificate_renew_by_timestamp_seconds: samples(by, { listener: 'internal' }),
  };
}
const only =
  (word: string) =>
  (all: World): World =>
    Object.fromEntries(Object.entries(all).filter(([name]) => name.includes(word)));
const [ofIssuer, ofListener] = [only('_issuer_'), only('_listener_')];

/** A busy service where all is well; `more` adds or replaces metrics. */
function world(more: World = {}): World {
  const gauge = (value: number, labels: Record<string, string> = {}) => [
    { labels: { job, instance, ...labels }, value },
  ];
  const counted = (label: string, rates: Record<string, number>) =>
    Object.entries(rates).map(([value, rate]) => ({
      labels: { job, instance, [label]: value },
      value: rate * 1e6,
      rate,
    }));
  const none = (outcomes: readonly string[]) => Object.fromEntries(outcomes.map((outcome) => [outcome, 0]));
  return {
    up: gauge(1),
    countersign_database_up: gauge(1),
    countersign_ready: ['documents', 'tokens', 'broker', 'admin'].flatMap((capability) => gauge(1, { capability })),
    countersign_audit_oldest_wait_seconds: gauge(0.02, { stream: 'tokens' }),
    countersign_audit_batches_failed_total: [{ labels: { job, instance }, value: 0, rate: 0 }],
    countersign_tokens_total: counted('outcome', { ...none(TOKEN_OUTCOMES), minted: 100, refused: 3, stranger: 1 }),
    countersign_exchanges_total: counted('outcome', { ...none(STS_OUTCOMES), ok: 50, transient: 0.1 }),
    countersign_handouts_total: counted('outcome', { ...none(HANDOUT_OUTCOMES), given: 50 }),
    countersign_failures_total: counted('code', { internal: 0, unavailable: 0 }),
    countersign_strangers_refused_total: counted('code', { invalid_client: 0.5, invalid_token: 0.5 }),
    countersign_self_check_ok: gauge(1),
    ...certificates(60, 90),
    countersign_sealed: gauge(0),
    countersign_ring_view_age_seconds: gauge(8),
    countersign_ring_view_signs_until_seconds: gauge(60),
    countersign_clock_offset_seconds: gauge(-0.2),
    countersign_clock_offset_limit_seconds: gauge(2),
    countersign_rotation_overdue_seconds: gauge(0),
    countersign_kek_private_halves_left: gauge(0),
    countersign_kek_rotation_troubled: gauge(0),
    countersign_publishing_pass_age_seconds: gauge(9),
    countersign_publishing_revoked_keys: gauge(0),
    countersign_database_pool_waiting: gauge(0),
    nodejs_eventloop_active_seconds_total: [{ labels: { job, instance }, value: 1e5, rate: 0.4 }],
    nodejs_eventloop_idle_seconds_total: [{ labels: { job, instance }, value: 1e5, rate: 0.6 }],
    ...more,
  };
}

const firing = (state: World): string[] =>
  rules
    .filter(({ expr }) => evaluate(expr, state, NOW).length > 0)
    .map(({ alert }) => alert.replace('Countersign', ''));

t.test('nothing fires while all is well', async (t) => t.same(firing(world()), []));

t.test('a certificate is due by its life: of a week, its last fifth; of months, its last 14 days', async (t) => {
  const both = ['CertificateExpiring', 'ListenerCertificateExpiring'];
  for (const [left, life, fires] of [
    [6, 7, []],
    [1, 7, both],
    [15, 90, []],
    [13, 90, both],
    [13, 398, both],
    [0.5, 1, []],
  ] as const)
    t.same(firing(world(certificates(left, life))), fires, `${left} days left of ${life}`);
});

t.test('nothing fires for customers’ stacks, be it one that asks all day or every one of them', async (t) => {
  const exchanges = (rates: Record<string, number>) => ({
    countersign_exchanges_total: STS_OUTCOMES.map((outcome) => ({
      ...{ labels: { job, instance, outcome }, value: 1e6, rate: rates[outcome] ?? 0 },
    })),
  });
  t.same(firing(world(exchanges({ ok: 50, account_owner: 500 }))), [], 'one asks all day long');
  t.same(firing(world(exchanges({ account_owner: 50, caller: 50 }))), [], 'every one of them is broken');
  t.same(firing(world(exchanges({ account_owner: 50, ours: 0.01 }))), [], 'and a handful of others');
  t.same(firing(world(exchanges({}))), [], 'nobody asks');
  const canaries = {
    countersign_canaries_total: [
      { labels: { job, instance, about: 'standby', outcome: 'unclear' }, value: 1e6, rate: 9 },
    ],
    // What a service shows where STS refused many keys for the sake of their stacks: see test/connections/canary/standby.test.ts.
    countersign_standbys_refused: [{ labels: { job, instance }, value: 0 }],
    countersign_standby_refused_harm_timestamp_seconds: [],
  };
  t.same(firing(world(canaries)), [], 'every rotation meets a stack that was deleted');
});

t.test('each fires for what it is about', async (t) => {
  const one = (value: number, labels: Record<string, string> = {}) => [{ labels: { job, instance, ...labels }, value }];
  const rated = (label: string, rates: Record<string, number>) =>
    Object.entries(rates).map(([name, rate]) => ({ labels: { job, instance, [label]: name }, value: 1e6, rate }));
  const cases: Record<string, World> = {
    Down: { up: one(0) },
    DatabaseDown: { countersign_database_up: one(0) },
    NotReady: { countersign_ready: one(0, { capability: 'tokens' }) },
    AuditStalled: { countersign_audit_oldest_wait_seconds: one(0.7, { stream: 'tokens' }) },
    TokensUnavailable: { countersign_tokens_total: rated('outcome', { minted: 10, unavailable: 1 }) },
    StsUnavailable: {
      countersign_exchanges_total: rated('outcome', {
        ok: 5,
        throttled: 1,
        transient: 1,
        account_owner: 90,
        caller: 90,
      }),
    },
    StsMisconfigured: {
      countersign_exchanges_total: rated('outcome', { ok: 5, ours: 1, account_owner: 90, caller: 90 }),
    },
    DocumentsUnreachable: { countersign_self_check_ok: one(0) },
    CertificateExpiring: ofIssuer(certificates(13, 90)),
    ListenerCertificateExpiring: ofListener(certificates(13, 90)),
    Sealed: { countersign_sealed: one(1) },
    RingViewOld: { countersign_ring_view_age_seconds: one(31) },
    ClockOff: { countersign_clock_offset_seconds: one(-1.5) },
    StandbyRefused: {
      countersign_standby_refused_harm_timestamp_seconds: one(NOW + 20 * 86_400),
      countersign_standbys_refused: one(1),
    },
    RotationOverdue: { countersign_rotation_overdue_seconds: one(3700) },
    KekRotationStuck: { countersign_kek_rotation_troubled: one(1) },
    PublishingStale: { countersign_publishing_pass_age_seconds: one(1000) },
    RevokedKeyPublished: { countersign_publishing_revoked_keys: one(1) },
    InternalErrors: { countersign_failures_total: rated('code', { internal: 0.01 }) },
    PoolExhausted: { countersign_database_pool_waiting: one(4) },
    Busy: {
      nodejs_eventloop_active_seconds_total: [{ labels: { job, instance }, value: 1, rate: 0.97 }],
      nodejs_eventloop_idle_seconds_total: [{ labels: { job, instance }, value: 1, rate: 0.03 }],
    },
    Strangers: {
      countersign_strangers_refused_total: rated('code', { invalid_client: 2, invalid_request: 2, invalid_token: 2 }),
    },
  };
  t.same(
    Object.keys(cases).sort(),
    rules.map(({ alert }) => alert.replace('Countersign', '')).sort(),
    'no alert is left out',
  );
  for (const [alert, more] of Object.entries(cases)) t.same(firing(world(more)), [alert], alert);
  t.same(firing(world({ up: [] })), ['Down'], 'none is scraped at all');
  const without = Object.keys(ofListener(certificates(1, 1))).map((name) => [name, []]);
  t.same(firing(world(Object.fromEntries(without))), [], 'a listener without TLS has no certificate');
});

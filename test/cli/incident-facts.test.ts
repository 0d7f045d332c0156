// What a report says was signed and handed out: every row counted once, however the log comes in pages.
import t from 'tap';
import { createCollector, type Question, readFacts, type Row } from '../../src/cli/incident/facts.ts';
import type { Api } from '../../src/cli/api.ts';

const NOW = Date.UTC(2026, 10, 26, 18);
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();
const token = (seconds: number, jti: string, details: object = {}): Row => ({
  ...{ at: at(seconds), kind: 'token.minted', actor: 'wl_a', workload: 'wl_a' },
  details: { jti, kid: 'platform1', client_kid: 'own1', ...details },
});
const intent = (seconds: number, exchange: string, jti: string, details: object = {}): Row => ({
  ...{ at: at(seconds), kind: 'exchange.intent', actor: 'wl_a', workload: 'wl_a', connection: 'cn_a', exchange },
  details: { kid: 'conn1', token_jti: jti, duration_seconds: 3600, ...details },
});
const outcome = (seconds: number, exchange: string, details: object = {}): Row => ({
  ...{ at: at(seconds), kind: 'exchange.outcome', workload: 'wl_a', connection: 'cn_a', exchange },
  details: {
    ...{ outcome: 'obtained', access_key_id: `ASIA${exchange}`, expires_at: at(seconds + 3600) },
    ...{ assumed_role_id: 'AROAX:ci-12345678', ...details },
  },
});
const BY_TOKEN: Question = { filter: {}, token: ({ kid }) => kid === 'platform1' };
const BY_KEY: Question = { filter: { connection: 'cn_a' }, token: () => false, exchange: ({ kid }) => kid === 'conn1' };

/** Newest first, as the API has them. */
function collect(question: Question, rows: readonly Row[], since = -100_000) {
  const collector = createCollector(question, { since: NOW + since * 1000, now: NOW });
  for (const row of rows.toSorted((a, b) => (a.at < b.at ? 1 : -1))) collector.take(row);
  return collector.finish();
}

t.test('by the key of a connection: sessions that may live, that ended, that nobody knows of', async (t) => {
  const facts = collect(BY_KEY, [
    ...[intent(-9000, 'old', 'j1'), outcome(-8999, 'old')],
    ...[intent(-600, 'live', 'j2'), outcome(-599, 'live')],
    ...[intent(-500, 'refused', 'j3'), outcome(-499, 'refused', { outcome: 'refused', access_key_id: undefined })],
    ...[intent(-400, 'dropped', 'j4'), outcome(-399, 'dropped', { outcome: 'dropped' })],
    intent(-300, 'unknown', 'j5'),
    ...[intent(-200, 'other', 'j6', { kid: 'conn2' }), outcome(-199, 'other')],
  ]);
  t.equal(facts.connections.length, 1);
  t.match(facts.connections[0], {
    ...{ connection: 'cn_a', exchanges: 5, sessions: 2, refused: 1, dropped: 1, unknown: 1, may_live: 3 },
    ...{ workloads: { wl_a: 5 }, first_at: at(-9000), last_at: at(-300), kids: ['conn1'] },
    // The one of which nobody knows, by what it asked for and the time that STS may have taken.
    ...{ may_live_until: at(-300 + 60 + 3600), session_names: ['ci-12345678'] },
  });
  t.same(facts.connections[0]?.access_key_ids.sort(), ['ASIAdropped', 'ASIAlive', 'ASIAold']);
  t.same(facts.connections[0]?.other_access_key_ids, ['ASIAother'], 'so that the owner can tell it from a forgery');
  t.same(facts.tokens.count, 0);
  t.same(facts.forged, []);
});

t.test('by the token that it was asked with; without a record of the token it was forged', async (t) => {
  const facts = collect(
    BY_TOKEN,
    [
      ...[
        token(-2000, 't1'),
        intent(-1500, 'a', 't1'),
        outcome(-1499, 'a'),
        intent(-1400, 'b', 't1'),
        outcome(-1399, 'b'),
      ],
      ...[token(-700, 'other', { kid: 'platform2' }), intent(-650, 'c', 'other'), outcome(-649, 'c')],
      ...[intent(-300, 'd', 'never-minted'), outcome(-299, 'd')],
      token(-100, 't2'),
      // Minted before the time, used after it.
      ...[token(-5400, 'early'), intent(-4900, 'e', 'early'), outcome(-4899, 'e')],
      ...[token(-9000, 'too early'), intent(-8900, 'f', 'too early'), outcome(-8899, 'f')],
    ],
    -5000,
  );
  t.match(facts.connections[0], { exchanges: 4, sessions: 4 });
  t.same(facts.connections[0]?.access_key_ids.sort(), ['ASIAa', 'ASIAb', 'ASIAd', 'ASIAe']);
  t.match(facts.forged, [{ exchange: 'd', token_jti: 'never-minted', connection: 'cn_a', workload: 'wl_a' }]);
  t.equal(facts.forged.length, 1);
  t.match(facts.tokens, { count: 3, workloads: { wl_a: 3 }, last_at: at(-100), may_live_until: at(800) });
});

t.test('a session that is handed out again counts once, and a hand-out to a forged token is named', async (t) => {
  const again = (seconds: number, jti: string): Row => ({
    ...intent(seconds, 'a', jti),
    kind: 'credentials.handed_out',
    details: { token_jti: jti, access_key_id: 'ASIAa', expires_at: at(2000) },
  });
  const rows = [token(-900, 't1'), intent(-800, 'a', 't1'), outcome(-799, 'a'), again(-798, 't1'), again(-700, 't1')];
  const facts = collect(BY_TOKEN, [...rows, again(-600, 'never-minted')]);
  t.match(facts.connections[0], { exchanges: 1, sessions: 1, hand_outs: 3, may_live: 1, access_key_ids: ['ASIAa'] });
  t.match(facts.forged, [{ exchange: 'a', token_jti: 'never-minted' }]);
});

t.test('what is kept does not grow with the log, and names are bounded', async (t) => {
  const rows: Row[] = [];
  for (let nth = 0; nth < 3000; nth += 1)
    rows.push(
      token(-nth * 60 - 30, `t${nth}`),
      intent(-nth * 60 - 20, `x${nth}`, nth % 2 ? `t${nth}` : 'forged'),
      outcome(-nth * 60 - 19, `x${nth}`),
    );
  const facts = collect(BY_TOKEN, rows, -1_000_000);
  t.match(facts.connections[0], { exchanges: 3000, access_key_ids_left_out: 2500 });
  t.equal(facts.connections[0]?.access_key_ids.length, 500);
  t.equal(facts.forged.length, 500);
  t.equal(facts.forged.length + facts.forged_left_out, 1500);
});

t.test('pages are read back to the time, and 16 minutes more where tokens are looked for', async (t) => {
  const asked: Record<string, unknown>[] = [];
  const said: string[] = [];
  const pages = Array.from({ length: 60 }, (_, nth) => ({
    items: Array.from({ length: 200 }, (_row, row) => token(-nth * 10, `t${nth}-${row}`)),
    ...(nth < 59 ? { next_cursor: String(nth + 1) } : {}),
  }));
  const api = {
    get: async (_path: string, query: Record<string, unknown>) => {
      asked.push(query);
      return pages[Number(query['cursor'] ?? 0)];
    },
  } as unknown as Api;
  const input = { since: at(-5000), now: NOW, progress: (text: string) => void said.push(text) };
  const facts = await readFacts(api, { ...BY_TOKEN, filter: { workload: 'wl_a' } }, input);
  t.equal(facts.rows_read, 12_000);
  t.equal(facts.tokens.count, 12_000);
  t.match(asked[0], { workload: 'wl_a', from: at(-5000 - 960), limit: 200, cursor: undefined });
  t.equal(said.length, 1);
  await readFacts(api, BY_KEY, input);
  t.equal(asked[60]?.['from'], at(-5000));
});

// A service that says that it will be there in a moment: what is safe to ask twice is asked again, for a while.
import t from 'tap';
import { cli, problem, type Reply, startStandIn } from './stand-in.ts';

const soon = (retryAfter?: string): Reply => ({
  status: 503,
  headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
  body: problem(503, 'unavailable', 'Not yet.', 'Try again in a moment.').body,
});
const whoami = { body: { kind: 'workload', id: 'wl_x', scopes: [] } };

t.test('a read is asked again until it is answered', async (t) => {
  const { env, calls } = await startStandIn(t, { 'GET /v1/whoami': (_, nth) => (nth < 3 ? soon('1') : whoami) });
  t.match(await cli(['whoami'], env), { code: 0, stderr: '' });
  t.equal(calls.length, 4);
});

t.test('for ten seconds, not for ever', async (t) => {
  const slept: number[] = [];
  const { env } = await startStandIn(t, { 'GET /v1/whoami': soon('4') });
  const ended = await cli(['whoami'], env, { sleep: async (ms) => void slept.push(ms) });
  t.match(ended, { code: 1, stderr: /Not yet\. \[unavailable\]/ });
  t.same(slept, [4000, 4000, 4000]);
});

t.test('a longer wait, and a refusal that names none, are said at once', async (t) => {
  for (const reply of [soon('60'), soon()]) {
    const { env, calls } = await startStandIn(t, { 'GET /v1/whoami': reply });
    t.match(await cli(['whoami'], env), { code: 1, stderr: /Not yet/ });
    t.equal(calls.length, 1);
  }
});

t.test('a creating write is repeated with its key; any other write is not', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/workloads': (_, nth) => (nth < 1 ? soon('1') : { status: 201, body: { id: 'wl_x', slug: 'billing' } }),
    'POST /v1/service/seal': soon('1'),
  });
  t.match(await cli(['workload', 'create', 'billing', '--json'], env), { code: 0 });
  const [first, second] = calls.map(({ headers }) => headers['idempotency-key']);
  t.ok(first);
  t.equal(second, first);
  t.match(await cli(['seal', '--reason', 'a test'], env), { code: 1 });
  t.equal(calls.filter(({ path }) => path === '/v1/service/seal').length, 1);
});

t.test('the token endpoint is asked again as well, each time with a new assertion', async (t) => {
  const refuseToken = (nth: number): Reply | undefined => (nth < 3 ? soon('1') : undefined);
  const { env, tokens } = await startStandIn(t, { 'GET /v1/whoami': whoami }, { refuseToken });
  t.match(await cli(['whoami'], env, { sleep: async () => {} }), { code: 0, stderr: '' });
  t.equal(new Set(tokens.map(({ claims }) => claims.jti)).size, 3);
});

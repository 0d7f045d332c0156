// Pausing, resuming, asking again, and waiting: the states of a connection as the API moves them.
import { request } from 'node:http';
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import { type Api, openApi, refused } from './api.ts';
import type { ConnectionState } from '../../src/db/types.ts';

async function put(
  api: Api,
  id: string,
  state: ConnectionState,
  reason = '',
  roleId: string | null = 'AROAPINNED',
): Promise<void> {
  await api.database.db.updateTable('connections').set({ state, state_reason: reason }).where('id', '=', id).execute();
  await api.database.db.updateTable('aws_connections').set({ role_id: roleId }).where('connection', '=', id).execute();
}

t.test('a paused connection is proven again before it says Active', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create();
  for (const state of ['active', 'degraded', 'unsafe'] as const) {
    await put(api, id, state);
    const epoch = await api.epoch();
    const paused = await api.call('PATCH', `/v1/connections/${id}`, { state: 'paused' });
    t.match([paused.status, paused.body.state, paused.body.verification], [200, 'paused', null], state);
    t.ok((await api.epoch()) > epoch, 'no broker goes on with an old decision');
    const resumed = await api.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
    t.match(resumed.body, {
      state: 'verifying',
      state_reason: 'resumed',
      verification: { attempts: 0 },
      aws: { role_id: 'AROAPINNED' },
    });
    const again = await api.call('PATCH', `/v1/connections/${id}`, { state: 'paused' });
    t.match(again.body, { state: 'paused', verification: null }, 'what was resumed by mistake is stopped at once');
  }
  t.match(await api.records('connection.paused'), [{ connection: id, details: { was: 'active' } }]);
  t.match(await api.records('connection.resumed'), [{ connection: id, details: { was: 'paused' } }]);
  t.equal((await api.records('connection.paused')).length, 6);
  await api.call('PATCH', `/v1/connections/${id}`, { state: 'paused' });
  t.equal((await api.records('connection.paused')).length, 6, 'paused twice is paused once');
});

t.test('what a state does not allow is refused, and changes nothing', async (t) => {
  const api = await openApi(t, { templateUrl: 'https://s3.example/t' });
  const { id } = await api.create();
  const verify = (): ReturnType<Api['call']> => api.call('POST', `/v1/connections/${id}/verify`);
  const patch = (state: string): ReturnType<Api['call']> =>
    api.call('PATCH', `/v1/connections/${id}`, { state, name: 'with it' });
  const table: [ConnectionState, string | null, (() => ReturnType<Api['call']>)[]][] = [
    ['pending', null, [() => patch('paused'), () => patch('active')]],
    ['verifying', null, [() => patch('paused'), () => patch('active')]],
    ['paused', 'AROAPINNED', [verify]],
    ['unsafe', 'AROAPINNED', [verify, () => patch('active')]],
  ];
  for (const [state, roleId, calls] of table) {
    await put(api, id, state, '', roleId);
    const before = await api.snapshot();
    for (const call of calls) refused(t, await call(), 409, 'connection_state_refused', state);
    t.equal(await api.snapshot(), before);
  }
  await put(api, id, 'paused');
  t.equal((await api.call('GET', `/v1/connections/${id}/template`)).status, 200, 'its template can be looked at');
  t.equal((await api.call('GET', `/v1/connections/${id}`)).body.state, 'paused');
});

t.test(
  'an operator accepts a re-created role: it is unpinned and looked at again, without an interruption',
  async (t) => {
    const api = await openApi(t);
    const { id } = await api.create();
    await put(api, id, 'degraded', 'role_recreated');
    const { body } = await api.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
    t.match(body, { state: 'degraded', aws: { role_id: null }, verification: { attempts: 0 } });
    t.match(await api.records('connection.resumed'), [
      { details: { was: 'degraded', unpinned_role_id: 'AROAPINNED' } },
    ]);
    await put(api, id, 'degraded', 'AccessDenied');
    const other = await api.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
    t.match(other.body, { state: 'degraded', aws: { role_id: 'AROAPINNED' } }, 'for another reason the pin stays');
  },
);

t.test('verify on an active connection is a probe: it stays active, and the probe is on record', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create();
  await put(api, id, 'active');
  const epoch = await api.epoch();
  const { status, body } = await api.call('POST', `/v1/connections/${id}/verify`);
  t.match({ status, body }, { status: 202, body: { state: 'active', verification: { attempts: 0 } } });
  t.equal(await api.epoch(), epoch, 'bookkeeping');
  t.match(await api.records('connection.verification_requested'), [{ connection: id, details: { by: 'verify' } }]);
});

t.test('tokens that will carry more are tried at once', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create();
  await put(api, id, 'active');
  const patch = async (change: object) => (await api.call('PATCH', `/v1/connections/${id}`, change)).body;
  t.equal((await patch({ name: 'x', max_session_seconds: 900 })).verification, null);
  t.match(await patch({ session_tags: true }), { state: 'active', verification: { attempts: 0 } });
  await api.database.db.deleteFrom('verifications').execute();
  t.equal((await patch({ session_tags: true })).verification, null, 'it did already');
  t.match(await patch({ source_identity: true }), { verification: { attempts: 0 } });
});

t.test('wait=active answers when it is active, when waiting is pointless, or at the timeout', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create();
  const timed = async (query: string): Promise<[string, number]> => {
    const began = performance.now();
    const { body } = await api.call('GET', `/v1/connections/${id}?${query}`);
    return [body.state, performance.now() - began];
  };
  const [pending, waited] = await timed('wait=active&timeout_seconds=1');
  t.equal(pending, 'pending');
  t.ok(waited >= 950 && waited < 15_000, `${waited} ms`);
  t.ok((await timed(''))[1] < 15_000, 'only when asked for');
  const waiting = timed('wait=active&timeout_seconds=30');
  await put(api, id, 'active');
  const [active, took] = await waiting;
  t.equal(active, 'active');
  t.ok(took < 15_000);
  for (const state of ['paused', 'degraded', 'unsafe', 'disconnected'] as const) {
    await put(api, id, state);
    const [seen, ms] = await timed('wait=active&timeout_seconds=30');
    t.equal(seen, state);
    t.ok(ms < 15_000);
  }
});

t.test('a closing server lets its waiters go', async (t) => {
  let waits = (): void => {};
  const waiting = new Promise<void>((resolve) => (waits = resolve));
  const monotonic = (): number => {
    waits();
    return systemClock.monotonic();
  };
  const api = await openApi(t, { clock: { ...systemClock, monotonic } });
  const { id } = await api.create();
  const port = Number(new URL(await api.server.listen({ host: '127.0.0.1', port: 0 })).port);
  const answered = new Promise<number>((resolve, reject) => {
    const path = `/v1/connections/${id}?wait=active&timeout_seconds=30`;
    request({ host: '127.0.0.1', port, path, headers: { host: 'localhost:80' } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
  });
  await waiting;
  const began = performance.now();
  await api.server.close();
  t.equal(await answered, 200);
  t.ok(performance.now() - began < 10_000);
});

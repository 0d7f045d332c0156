// /v1/administrators: like workloads, without audiences; what both share is tested in test/clients.
import t from 'tap';
import { ecJwk, openApi, refused } from '../clients/api.ts';

t.test('an administrator is registered, read, changed, suspended; each change is recorded', async (t) => {
  const api = await openApi(t);
  const epochs = new Set([await api.epoch()]);
  const created = await api.call('POST', '/v1/administrators', {
    slug: 'ann',
    scopes: ['keys:rotate'],
    keys: [ecJwk()],
  });
  epochs.add(await api.epoch());
  t.match(created, {
    status: 201,
    body: { id: /^ad_[a-z2-7]{26}$/, slug: 'ann', state: 'active', scopes: ['keys:rotate'], version: 1 },
  });
  t.notOk('audiences' in created.body);
  for (const reference of [created.body.id, 'ann']) {
    t.strictSame((await api.call('GET', `/v1/administrators/${reference}`)).body, created.body);
  }
  t.match(await api.call('PATCH', '/v1/administrators/ann', { state: 'suspended' }), {
    status: 200,
    body: { state: 'suspended', version: 2 },
  });
  epochs.add(await api.epoch());
  t.match((await api.call('GET', '/v1/administrators?limit=1')).body, { items: [{ slug: 'ann' }] });
  const details = { administrator: created.body.id, slug: 'ann' };
  t.match(await api.records('administrator.'), [
    { kind: 'administrator.created', actor: 'host', details: { ...details, state: 'active' } },
    { kind: 'administrator.updated', actor: 'host', details: { ...details, state: 'suspended' } },
  ]);
  t.equal(epochs.size, 3, 'every change bumps the policy epoch');
});

t.test('bad input is refused, and changes nothing', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/administrators', { slug: 'ann' });
  const before = await api.epoch();
  refused(t, await api.call('POST', '/v1/administrators', { slug: 'ann' }), 409, 'slug_taken');
  refused(t, await api.call('POST', '/v1/administrators', { slug: 'bob', audiences: [] }), 400, 'invalid_request');
  refused(t, await api.call('PATCH', '/v1/administrators/ann', { audiences: [] }), 400, 'invalid_request');
  refused(t, await api.call('PATCH', '/v1/administrators/bob', { state: 'active' }), 404, 'not_found');
  refused(t, await api.call('GET', '/v1/administrators/bob'), 404, 'not_found');
  refused(t, await api.call('GET', '/v1/administrators?cursor=WzFd'), 400, 'invalid_cursor');
  t.equal(await api.epoch(), before);
});

t.test('Idempotency-Key gives the first answer again', async (t) => {
  const api = await openApi(t);
  const headers = { 'idempotency-key': 'once' };
  const first = await api.call('POST', '/v1/administrators', { slug: 'ann' }, { headers });
  t.strictSame((await api.call('POST', '/v1/administrators', { slug: 'ann' }, { headers })).body, first.body);
});

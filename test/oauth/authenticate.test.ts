// Callers of the API: who needs a reason, what a scope that was taken away still does, and whose token is nobody's.
import t from 'tap';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

t.test('an administrator gives a reason with each change, and it is on record', async (t) => {
  const service = await startTestService(t);
  const alice = await registerClient(service, {
    slug: 'alice',
    kind: 'administrators',
    scopes: ['workloads:write', 'audit:read'],
  });
  const token = await workloadToken(service, alice, `${service.config.issuerUrl}/v1`);
  const create = (slug: string, reason?: string) =>
    service.call(
      'POST',
      '/v1/workloads',
      { slug },
      { token, headers: reason === undefined ? {} : { 'countersign-reason': reason } },
    );
  t.match(await create('one'), { status: 400, body: { code: 'reason_required', hint: /Countersign-Reason/ } });
  for (const bad of ['%', '%ff', '%20', encodeURIComponent('x'.repeat(501)), 'a%00b', 'a%0Ab']) {
    t.match(await create('one', bad), { status: 400, body: { code: 'reason_required' } }, bad.slice(0, 12));
  }
  t.equal((await create('one', encodeURIComponent('für Zoë: новый'))).status, 201);
  const { body } = await service.call('GET', '/v1/audit?kind=workload.created', undefined, { token });
  t.match(body.items[0], { actor: alice.id, details: { reason: 'für Zoë: новый' } });
  t.equal(body.items.length, 1, 'a refused change changed nothing');
  t.equal((await service.call('GET', '/v1/whoami', undefined, { token })).status, 200, 'reading needs none');
});

t.test('a token holds no more than its bearer holds today', async (t) => {
  const service = await startTestService(t);
  const alice = await registerClient(service, {
    slug: 'alice',
    kind: 'administrators',
    scopes: ['workloads:write', 'audit:read'],
  });
  const token = await workloadToken(service, alice, `${service.config.issuerUrl}/v1`);
  t.equal((await service.call('GET', '/v1/audit', undefined, { token })).status, 200);
  await service.call('PATCH', `/v1/administrators/${alice.id}`, { scopes: ['workloads:write'] });
  t.match(await service.call('GET', '/v1/audit', undefined, { token }), {
    status: 403,
    body: { code: 'insufficient_scope' },
  });
  await service.call('PATCH', `/v1/administrators/${alice.id}`, {
    scopes: ['workloads:write', 'audit:read', 'keys:revoke'],
  });
  const { body } = await service.call('GET', '/v1/whoami', undefined, { token });
  t.same(body.scopes, ['audit:read', 'workloads:write'], 'and no more than it was minted with');
});

t.test('no token, and tokens that are none of ours', async (t) => {
  const service = await startTestService(t);
  t.match(await service.call('GET', '/v1/whoami', undefined, { token: null }), {
    status: 401,
    body: { code: 'unauthenticated', hint: /oauth2\/token/ },
  });
  const refused = await service.call('GET', '/v1/whoami', undefined, { token: 'x.y.z' });
  t.match(refused, { status: 401, body: { code: 'invalid_token' } });
  t.equal(refused.headers.get('www-authenticate'), 'Bearer');
  const { body } = await service.call('GET', '/v1/audit?kind=call.refused');
  t.equal(body.items.length, 0, 'strangers make no rows');
});

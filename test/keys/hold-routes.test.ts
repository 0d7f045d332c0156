// Hold and resume by the API: who may, what is asked for, what is shown.
import t from 'tap';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

t.test('hold, look, resume', async (t) => {
  const service = await startTestService(t);
  const path = '/v1/keys/platform';
  const held = await service.call('POST', `${path}/hold`, { duration_seconds: 3600 });
  t.equal(held.status, 200);
  const [ring] = (await service.call('GET', path)).body.items;
  t.match(ring, {
    held_until: held.body.held_until,
    next_rotation_at: held.body.held_until,
    hold: { until: held.body.held_until, actor: 'host', reason: 'a test' },
  });
  t.match(await service.call('POST', `${path}/rotate`, { now: true }), { status: 409, body: { code: 'ring_held' } });
  t.match(await service.call('POST', `${path}/resume`, {}), { status: 200, body: { changed: true } });
  t.notMatch((await service.call('GET', path)).body.items[0], { held_until: /./ });
  t.match(await service.call('POST', `${path}/rotate`, { now: true }), { status: 200 });

  for (const [body, code] of [
    [{}, 'invalid_request'],
    [{ duration_seconds: 5, until: '2026-12-24T00:00:00Z' }, 'invalid_request'],
    [{ until: '2026-02-30T00:00:00Z' }, 'invalid_request'],
    [{ until: '2020-01-01T00:00:00Z' }, 'hold_out_of_range'],
    [{ duration_seconds: 7_776_001 }, 'invalid_request'],
  ] as const)
    t.match(await service.call('POST', `${path}/hold`, body), { status: 400, body: { code } }, JSON.stringify(body));

  const client = await registerClient(service, { slug: 'rotator', scopes: ['keys:rotate'] });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`, 'keys:rotate');
  t.match(
    await service.call('POST', `${path}/hold`, { duration_seconds: 5 }, { token }),
    { status: 400, body: { code: 'reason_required' } },
    'nobody holds without a reason',
  );
  const reader = await service.hostToken(['keys:read']);
  t.match(await service.call('POST', `${path}/hold`, { duration_seconds: 5 }, { token: reader }), { status: 403 });
});

// The key policy by the API: shown with its arithmetic, set whole, in place of the version that was looked at.
import t from 'tap';
import { startTestService } from '../support/service.ts';

t.test('look, try, set, look', async (t) => {
  const service = await startTestService(t);
  const path = '/v1/key-policy';
  const seeded = (await service.call('GET', path)).body;
  t.match(seeded, {
    ...{ version: 1, period_seconds: 180, seasoning_seconds: 36, actor: 'system' },
    most_keys: { workload_token: 9, web_identity_token: 5 },
  });
  t.notMatch(seeded, { in_force: {} });
  const times = {
    ...{ verifier_cache_seconds: 5, oldest_served_seconds: 30, oldest_signed_seconds: 30, clock_error_seconds: 1 },
    period_seconds: 3600,
  };
  const tried = await service.call('PUT', path, { ...times, replaces: 1, dry_run: true });
  t.match(tried, { status: 200, body: { changed: false, before: { version: 1 }, after: { version: 2 } } });
  t.match((await service.call('GET', path)).body, { version: 1 });
  const longer = { ...times, oldest_served_seconds: 60, replaces: 1 };
  t.match(await service.call('PUT', path, longer), { status: 200, body: { changed: true } });
  t.match(await service.call('PUT', path, longer), { status: 409, body: { code: 'conflict', version: 2 } });
  const lowered = await service.call('PUT', path, { ...times, replaces: 2 });
  t.match(lowered.body, { after: { version: 3, seasoning_seconds: 36, in_force: { seasoning_seconds: 66 } } });
  const shown = (await service.call('GET', path)).body;
  t.match(shown, {
    version: 3,
    reason: 'a test',
    actor: 'host',
    in_force: { until: lowered.body.after.in_force.until },
  });
  t.equal(Date.parse(shown.in_force.until), Date.parse(shown.since) + 66_000);
  for (const wrong of [{ period_seconds: 36 }, { oldest_signed_seconds: 31 }])
    t.match(await service.call('PUT', path, { ...times, ...wrong, replaces: 3 }), {
      status: 422,
      body: { code: 'policy_unsound', hint: /\S/, lines: [/must be/] },
    });
  for (const wrong of [{ clock_error_seconds: 0 }, { period_seconds: 1.5 }, { replaces: undefined }])
    t.match(await service.call('PUT', path, { ...times, replaces: 3, ...wrong }), { status: 400 });
  const token = await service.hostToken(['keys:read']);
  t.match(await service.call('PUT', path, { ...times, replaces: 3 }, { token }), { status: 403 });
  t.match((await service.call('GET', path)).body, { version: 3 });
});

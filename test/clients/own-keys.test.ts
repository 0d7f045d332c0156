// What a workload without scopes can make of its own keys: once a second, and nothing that keeps others waiting.
import t from 'tap';
import { steppedClock } from '../support/keys.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';
import { type CallOptions, ecJwk, openApi, refused } from './api.ts';

t.test(
  'a workload without scope changes its keys once a second, whatever it sends, and others are served',
  async (t) => {
    const pace = steppedClock();
    const service = await startTestService(t, { pace });
    const resource = `${service.config.issuerUrl}/v1`;
    const busy = await registerClient(service, { slug: 'busy' });
    const calm = await registerClient(service, { slug: 'calm' });
    const stopped = await registerClient(service, { slug: 'stopped' });
    const [token, calmToken] = [
      await workloadToken(service, busy, resource),
      await workloadToken(service, calm, resource),
    ];
    const path = (id: string) => `/v1/workloads/${id}/keys`;
    const jwk = ecJwk();
    const flip = async (nth: number) =>
      nth % 2
        ? await service.call('DELETE', `${path(busy.id)}/${'A'.repeat(43)}`, undefined, { token })
        : await service.call('POST', path(busy.id), { jwk }, { token });
    const flood = Promise.all(Array.from({ length: 120 }, (_, nth) => flip(nth)));
    const suspended = await service.call('PATCH', `/v1/workloads/${stopped.id}`, { state: 'suspended' });
    t.equal(suspended.status, 200, 'somebody is suspended meanwhile');
    t.equal((await service.call('POST', path(calm.id), { jwk }, { token: calmToken })).status, 201, 'another rotates');
    t.ok(await workloadToken(service, calm, resource), 'and gets a token');
    const answers = await flood;
    const limited = answers.filter(({ status }) => status === 429);
    t.equal(limited.length, 116, 'four may come at once');
    t.ok(
      answers.every(({ status }) => [201, 404, 409, 429].includes(status)),
      'and nobody is told that the service is busy',
    );
    for (const answer of limited) {
      t.match(answer.body, { code: 'rate_limited', detail: /once a second/, hint: /\S/ });
      t.equal(answer.headers.get('retry-after'), '1');
    }
    pace.step(1000);
    t.not((await flip(0)).status, 429, 'a second later, one more');
    t.equal((await flip(0)).status, 429);
    const { body } = await service.call('GET', `/v1/audit?actor=${busy.id}&kind=call.refused`);
    t.ok(
      body.items.some((row: { details: { code: string } }) => row.details.code === 'rate_limited'),
      'it is on record',
    );
    for (let count = 0; count < 10; count += 1)
      t.not((await service.call('POST', path(busy.id), { jwk })).status, 429, 'who has the scope is not held to it');
  },
);

t.test('whoever may change no keys is refused before a turn is taken', async (t) => {
  const api = await openApi(t);
  let begun = 0;
  api.server.addHook('preHandler', async ({ caller }) => {
    caller.confirm = async () => {
      begun += 1;
    };
  });
  const { body } = await api.call('POST', '/v1/workloads', { slug: 'own', keys: [ecJwk(), ecJwk()] });
  const { body: ann } = await api.call('POST', '/v1/administrators', { slug: 'ann', keys: [ecJwk(), ecJwk()] });
  t.equal(begun, 2);
  const callers: [string, NonNullable<CallOptions['as']>][] = [
    ['proved by an identity', { kind: 'workload', id: body.id, identity: `wi_${'a'.repeat(26)}` }],
    ['an administrator', { kind: 'administrator', id: ann.id }],
    ['the host', {}],
  ];
  for (const [who, as] of callers) {
    for (const { path, kid } of [
      { path: `/v1/workloads/${body.id}`, kid: body.keys[0].kid },
      { path: `/v1/administrators/${ann.id}`, kid: ann.keys[0].kid },
    ]) {
      const options = { as: { ...as, scopes: [] } };
      const added = await api.call('POST', `${path}/keys`, { jwk: ecJwk() }, options);
      refused(t, added, 403, 'insufficient_scope', `${who} adds one at ${path}`);
      const deleted = await api.call('DELETE', `${path}/keys/${kid}`, undefined, options);
      refused(t, deleted, 403, 'insufficient_scope', `${who} deletes one at ${path}`);
    }
  }
  t.equal(begun, 2, 'no act was begun for any of them');
});

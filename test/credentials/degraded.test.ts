// A lie of STS, through the whole service: nothing is handed out, and the connection says why for as long as STS lies.
import t from 'tap';
import type { Fault } from '../../src/sandbox/sandbox.ts';
import { ACCOUNT, openOwner, openWorld } from '../connections/aws.ts';
import { registerClient, workloadToken } from '../support/service.ts';

const action = 'AssumeRoleWithWebIdentity';
const LIES: [reason: string, fault: Fault][] = [
  ['AccountMismatch', { kind: 'other_account', action }],
  ['role_recreated', { kind: 'other_role', action }],
  ['ExpiryMismatch', { kind: 'clock', offsetSeconds: 86_400, action }],
];

for (const [reason, fault] of LIES) {
  t.test(`${reason}: degraded until STS answers what fits, and STS is not asked for each caller`, async (t) => {
    const world = await openWorld(t);
    const { service, sandbox } = world;
    const { id } = await world.create();
    await openOwner(t, sandbox, ACCOUNT).createStack('one', await world.template(id, 'yaml'));
    await world.hurry(id);
    t.equal((await world.get(id, '?wait=active')).state, 'active');
    const workload = await registerClient(service, { slug: 'billing' });
    await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
    const resource = `${service.config.issuerUrl}/v1/connections/${id}/credentials`;
    const token = await workloadToken(service, workload, resource);
    const ask = (query = '') => service.call('GET', `/v1/connections/${id}/credentials${query}`, undefined, { token });
    const rows = async (kind: string) =>
      (await service.call('GET', `/v1/audit?connection=${id}&kind=${kind}`)).body.items;

    const before = await ask('?duration_seconds=1800');
    t.equal((await ask('?duration_seconds=1800')).body.AccessKeyId, before.body.AccessKeyId, 'one that is kept');
    const soFar = (await rows('exchange.intent')).length;

    sandbox.faults.add(fault);
    for (let turn = 0; turn < 5; turn += 1)
      t.match(await ask(), { status: 502, body: { code: 'sts_answer_refused', fault: reason } }, `turn ${turn}`);
    const asked = (await rows('exchange.intent')).length - soFar;
    t.ok(asked <= 2, `asked ${asked} times: with its state, what it is remembered by changes once`);
    t.match(
      await ask('?duration_seconds=1800'),
      { status: 502, body: { code: 'sts_answer_refused', fault: reason, AccessKeyId: undefined } },
      'nor is another session given on that was kept before the lie',
    );

    for (let attempts = 1; attempts <= 3; attempts += 1) {
      await world.hurry(id);
      const seen = await world.until(id, ({ verification }) => verification?.attempts >= attempts);
      t.match(seen, { state: 'degraded', state_reason: reason }, `after ${attempts} looks at STS`);
    }
    t.match(await rows('connection.degraded'), [{ details: { reason, was: 'active' } }], 'said once');

    sandbox.faults.clear();
    await world.hurry(id);
    t.match(await world.until(id, ({ state }) => state === 'active'), { state: 'active', state_reason: '' });
    t.equal((await ask()).status, 200);
    const after = await ask('?duration_seconds=1800');
    t.equal(after.status, 200);
    t.not(after.body.AccessKeyId, before.body.AccessKeyId, 'and one of before comes back to nobody');
  });
}

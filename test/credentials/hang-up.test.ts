// A caller that hangs up while AWS is asked: what is under way comes to its end, and is the next caller's.
import t from 'tap';
import { until } from '../support/until.ts';
import { openGranted } from './granted.ts';

t.test('a caller that hangs up does not abort what is under way, and the next is given what came of it', async (t) => {
  const { sandbox, service, workload, path, token } = await openGranted(t);
  const asked = () => sandbox.calls.filter(({ action }) => action === 'AssumeRoleWithWebIdentity').length;
  const rows = async (kind: string) => {
    const { body } = await service.call('GET', `/v1/audit?kind=${kind}&workload=${workload.id}`);
    return body.items as { exchange: string; details: Record<string, unknown> }[];
  };
  const before = asked();
  sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'latency', latencyMs: 5000, times: 1 });
  const caller = new AbortController();
  const left = fetch(`${service.url}${path}`, {
    ...{ headers: { authorization: `Bearer ${token}` }, signal: caller.signal },
  });
  t.ok(await until(async () => (await rows('exchange.intent')).length === 1));
  t.same(await rows('exchange.outcome'), [], 'STS takes its time');
  caller.abort();
  await t.rejects(left, { name: 'AbortError' });
  t.ok(await until(async () => (await rows('exchange.outcome')).length === 1));
  const [outcome] = await rows('exchange.outcome');
  t.match(outcome?.details, { outcome: 'obtained' });
  const answer = await service.call('GET', path, undefined, { token });
  t.match(answer, { status: 200, body: { AccessKeyId: outcome?.details['access_key_id'] } });
  const [handedOut] = await rows('credentials.handed_out');
  t.equal(handedOut?.exchange, outcome?.exchange);
  t.equal((await rows('exchange.intent')).length, 1);
  t.equal(asked(), before + 1, 'STS was asked once');
});

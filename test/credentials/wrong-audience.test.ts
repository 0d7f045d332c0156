// A good token shown in the wrong place: refused, and on record as its bearer's.
import t from 'tap';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

t.test('a token of a workload for another audience is refused, and the refusal is a row', async (t) => {
  const service = await startTestService(t);
  const workload = await registerClient(service, { slug: 'billing' });
  const connections = await Promise.all(
    ['111122223333', '444455556666'].map(async (account_id) => {
      const { body } = await service.call('POST', '/v1/connections', {
        name: 'A customer',
        aws: { account_id, permission_set: 'read-only' },
      });
      await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: body.id } });
      return body.id as string;
    }),
  );
  const [own, sibling] = connections as [string, string];
  const path = `/v1/connections/${own}/credentials`;
  const token = await workloadToken(
    service,
    workload,
    `${service.config.issuerUrl}/v1/connections/${sibling}/credentials`,
  );
  const rows = async (kind: string) =>
    (await service.call('GET', `/v1/audit?kind=${kind}&actor=${workload.id}`)).body.items;

  t.match(await service.call('POST', path, undefined, { token }), {
    status: 401,
    body: { code: 'invalid_token', hint: new RegExp(path) },
  });
  t.match(await rows('exchange.refused'), [{ workload: workload.id, details: { code: 'invalid_token' } }]);

  t.match(await service.call('GET', '/v1/connections', undefined, { token }), {
    status: 401,
    body: { code: 'invalid_token' },
  });
  t.match(await rows('call.refused'), [{ workload: workload.id, details: { code: 'invalid_token' } }]);

  const forged = `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`;
  t.match(await service.call('POST', path, undefined, { token: forged }), { status: 401 });
  t.equal((await rows('exchange.refused')).length, 1, 'whose a forged token is, nobody knows');
});

t.test('the body of a credentials request is optional', async (t) => {
  const service = await startTestService(t);
  const workload = await registerClient(service, { slug: 'billing' });
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`);
  const path = `/v1/connections/cn_${'a'.repeat(26)}/credentials`;
  for (const body of [undefined, {}])
    t.match(await service.call('POST', path, body, { token }), { status: 404, body: { code: 'not_found' } });
});

// No record, no answer: what the audit cannot hold does not happen, at the token endpoint, on the socket and in the API.
import { sql } from 'kysely';
import t from 'tap';
import {
  askSocket,
  assertion,
  postToken,
  registerClient,
  startTestService,
  tokenForm,
  type TestService,
  workloadToken,
} from '../support/service.ts';

/** No row of this kind can be written. */
async function refuseRows({ database }: TestService, kind: string): Promise<void> {
  await sql`alter table audit add constraint nothing_more check (kind <> ${sql.lit(kind)}) not valid`.execute(
    database.db,
  );
}

t.test('no token without its record', async (t) => {
  const service = await startTestService(t);
  const { issuerUrl, socketPath } = service.config;
  const client = await registerClient(service, { slug: 'billing' });
  t.ok(await workloadToken(service, client, `${issuerUrl}/v1/credentials`), 'with it');
  await refuseRows(service, 'token.minted');
  const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`);
  const { status, headers, body } = await postToken(service.url, form);
  t.match({ status, body }, { status: 503, body: { error: 'temporarily_unavailable' } });
  t.equal(body.access_token, undefined);
  t.ok(headers.get('retry-after'));
  t.match(
    await askSocket(socketPath, {}),
    { status: 503, body: { code: 'unavailable', access_token: undefined } },
    "nor the host's",
  );
  await sql`alter table audit drop constraint nothing_more`.execute(service.database.db);
  t.equal((await postToken(service.url, form)).status, 200, 'and the assertion was not used up by what did not happen');
});

t.test('the socket takes no text that a record cannot hold', async (t) => {
  const { config, call } = await startTestService(t);
  for (const text of ['\ud800', 'a\u0000', 'two\nlines']) {
    for (const member of ['as', 'reason'])
      t.match(await askSocket(config.socketPath, { [member]: text }), {
        status: 400,
        body: { code: 'invalid_request' },
      });
  }
  t.equal((await askSocket(config.socketPath, { as: 'Zoë', reason: 'a \ud83d\ude00' })).status, 200);
  t.equal((await call('GET', '/v1/whoami')).status, 200);
});

t.test('no change without its record', async (t) => {
  const service = await startTestService(t);
  await service.call('GET', '/v1/whoami');
  await refuseRows(service, 'workload.created');
  t.ok((await service.call('POST', '/v1/workloads', { slug: 'billing' })).status >= 500);
  t.equal((await service.call('GET', '/v1/workloads/billing')).status, 404);
  await sql`alter table audit drop constraint nothing_more`.execute(service.database.db);
  t.equal((await service.call('POST', '/v1/workloads', { slug: 'billing' })).status, 201);
});

t.test('a refusal that cannot be recorded says no more than that', async (t) => {
  const service = await startTestService(t);
  const token = await service.hostToken(['audit:read']);
  await refuseRows(service, 'call.refused');
  t.match(await service.call('GET', '/v1/workloads', undefined, { token }), {
    status: 503,
    body: { code: 'unavailable' },
  });
});

t.test('refused calls of somebody known are rows', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`);
  t.equal((await service.call('GET', '/v1/workloads', undefined, { token })).status, 403);
  const { body } = await service.call('GET', `/v1/audit?kind=call.refused&workload=${client.id}`);
  t.match(body.items, [{ actor: client.id, details: { code: 'insufficient_scope', count: 1 } }]);
});

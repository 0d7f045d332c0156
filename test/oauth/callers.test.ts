// Callers of the whole API: the reason at every change, who gets credentials, and that an actor may still act when it acts.
import Fastify from 'fastify';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import type { Actor } from '../../src/audit/act.ts';
import type { Transaction } from '../../src/db/connect.ts';
import { SCOPES } from '../../src/http/scopes.ts';
import { bearerToken, createAuthenticate } from '../../src/oauth/authenticate.ts';
import type { ClientRow } from '../../src/oauth/store.ts';
import { goodRequest, listOperations, openWorld, send } from '../http/operations.ts';
import { dumpState } from '../support/dump.ts';
import { createForge } from '../support/forge.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

const id = `wl_${'a'.repeat(26)}`;
const trx = {} as Transaction;
const scopes = ['audit:read', 'keys:read'];

/** A caller as authentication found it; `row` is what it has become when it acts, and `revoked` what was by then. */
async function findCaller(
  t: Test,
  row: { state: string; scopes: string[] } | undefined,
  { subject = id, revoked = [] as string[] } = {},
): Promise<Actor> {
  const client: ClientRow = {
    ...{ kind: 'workload', id, slug: 'x', state: 'active', scopes, audiences: [] },
    jwks: { keys: [] },
    version: 1,
    maxOutliveSeconds: 0,
    epoch: 1,
    seal: undefined,
  };
  const authenticate = createAuthenticate({
    db: undefined as never,
    clients: { find: async () => client, read: async () => client },
    verify: async () => ({ subject, audience: 'x', scopes, jti: 'j', kid: 'k', expiresAt: 0 }),
    audience: 'x',
    lockClient: async () => row,
    isRevoked: async (_trx, kid) => revoked.includes(kid),
  });
  const server = Fastify();
  let caller: Actor | undefined;
  server.get('/', async (request) => {
    caller = await authenticate(request);
    return {};
  });
  t.teardown(() => server.close());
  t.equal((await server.inject({ url: '/', headers: { authorization: 'Bearer x' } })).statusCode, 200);
  return caller as Actor;
}

t.test('an act confirms its actor inside its transaction: suspended, gone or narrowed since is refused', async (t) => {
  await (await findCaller(t, { state: 'active', scopes: [...scopes, 'grants:read'] })).confirm(trx);
  await t.rejects((await findCaller(t, { state: 'suspended', scopes })).confirm(trx), { code: 'workload_suspended' });
  await t.rejects((await findCaller(t, undefined)).confirm(trx), { code: 'workload_suspended' });
  await t.rejects((await findCaller(t, { state: 'active', scopes: ['keys:read'] })).confirm(trx), {
    code: 'insufficient_scope',
  });
});

t.test(
  'an act confirms the key of its token: what was revoked since does nothing more, whoever shows it',
  async (t) => {
    for (const subject of [id, 'host']) {
      await (await findCaller(t, { state: 'active', scopes }, { subject, revoked: ['another'] })).confirm(trx);
      const caller = await findCaller(t, { state: 'active', scopes }, { subject, revoked: ['k'] });
      await t.rejects(caller.confirm(trx), { code: 'invalid_token', message: /revoked/ }, subject);
    }
    const service = await startTestService(t);
    // As a replica that has not read of it yet: the ring is not marked as changed.
    await sql`insert into revocations (kid, at, accepted_outage, reason, actor)
    select kid, now(), true, 'leaked', 'ad_x' from activations`.execute(service.database.db);
    t.match(await service.call('POST', '/v1/workloads', { slug: 'billing' }), {
      status: 401,
      body: { code: 'invalid_token' },
    });
    t.same(await service.database.db.selectFrom('workloads').select('slug').execute(), []);
  },
);

t.test('a bearer token is taken with its scheme or as it is', async (t) => {
  const of = (authorization?: string) => bearerToken({ headers: { authorization } } as never);
  t.same([of('Bearer x.y.z'), of('bearer  x.y.z'), of('x.y.z')], ['x.y.z', 'x.y.z', 'x.y.z']);
  t.throws(() => of(), { code: 'unauthenticated' });
});

t.test('an administrator says why, at every change there is', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const ann = await registerClient(service, { slug: 'ann', kind: 'administrators', scopes: [...SCOPES] });
  const authorization = `Bearer ${await workloadToken(service, ann, `${service.config.issuerUrl}/v1`)}`;
  const before = await dumpState(service.database.db);
  const changing = (await listOperations()).filter(
    ({ bearer, method, path }) => bearer && method !== 'GET' && !path.endsWith('/credentials'),
  );
  t.ok(changing.length >= 15, `${changing.length} operations`);
  for (const operation of changing) {
    for (const reason of [undefined, '', '%20', '%', '%ff', 'x'.repeat(501), 'a%0Ab']) {
      const header = reason === undefined ? {} : { 'countersign-reason': reason };
      const answer = await send(service.url, goodRequest(world, operation, { authorization, ...header }));
      t.match(
        answer,
        { status: 400, json: { code: 'reason_required', hint: /\S/ } },
        `${operation.id}: ${String(reason).slice(0, 8)}`,
      );
    }
  }
  t.same(await dumpState(service.database.db), before);
});

t.test('a suspended administrator is nobody, and so is a workload that was never registered', async (t) => {
  const service = await startTestService(t);
  const ann = await registerClient(service, { slug: 'ann', kind: 'administrators', scopes: ['audit:read'] });
  const token = await workloadToken(service, ann, `${service.config.issuerUrl}/v1`);
  t.equal((await service.call('GET', '/v1/audit', undefined, { token })).status, 200);
  await service.call('PATCH', `/v1/administrators/${ann.id}`, { state: 'suspended' });
  t.match(await service.call('GET', '/v1/audit', undefined, { token }), {
    status: 403,
    body: { code: 'administrator_suspended' },
  });
  const forge = await createForge(service);
  const stranger = await forge({ sub: id, client_id: id, scope: 'audit:read' });
  t.match(await service.call('GET', '/v1/audit', undefined, { token: stranger }), {
    status: 401,
    body: { code: 'invalid_token' },
  });
});

t.test('credentials are for workloads: neither the host nor an administrator gets them', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const forge = await createForge(service);
  const aud = `${service.config.issuerUrl}/v1/credentials`;
  const ask = async (sub: string) =>
    service.call('GET', '/v1/connections/acme/credentials', undefined, {
      token: await forge({ sub, client_id: sub, aud }),
    });
  for (const sub of ['host', world.administrator.id]) {
    t.match(await ask(sub), { status: 401, body: { code: 'invalid_token', detail: /only a workload/ } }, sub);
  }
  t.equal((await ask(world.workload.id)).body.code, 'connection_not_active', 'a workload comes further');
});

t.test('credentials are for their own audiences: not for a token of the API, nor of another service', async (t) => {
  const world = await openWorld(t);
  const { service, params } = world;
  const { issuerUrl } = service.config;
  const forge = await createForge(service);
  const { id: sub } = world.workload;
  for (const aud of [
    `${issuerUrl}/v1`,
    issuerUrl,
    'https://ledger.example',
    `${issuerUrl}/v1/connections/acme/credentials`,
  ]) {
    const token = await forge({ sub, client_id: sub, aud });
    for (const name of ['acme', params['connection']]) {
      const answer = await service.call('GET', `/v1/connections/${name}/credentials`, undefined, { token });
      t.match(answer, { status: 401, body: { code: 'invalid_token', hint: /resource=/ } }, `${aud} at ${name}`);
    }
  }
});

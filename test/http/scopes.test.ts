// The scopes of the API, operation by operation on the whole service: without exactly that one, 403; with no other, it goes through.
import t from 'tap';
import { SCOPES } from '../../src/http/scopes.ts';
import { dumpState } from '../support/dump.ts';
import { registerClient, workloadToken } from '../support/service.ts';
import { goodRequest, listOperations, openWorld, pathOf, send } from './operations.ts';

/** By the design (section 11), not by the code: an operation that is not here fails the first test. */
const NEEDED: Record<string, string[]> = {
  ...{
    whoami: [],
    listConnections: ['connections:read'],
    getConnection: ['connections:read'],
    getTemplate: ['connections:read'],
  },
  ...{
    getConnectionTemplate: ['connections:read'],
    getConnectionLink: ['connections:read'],
    verifyConnection: ['connections:write'],
  },
  ...{
    createConnection: ['connections:write', 'grants:write'],
    updateConnection: ['connections:write', 'grants:write'],
    disconnectConnection: ['connections:write'],
  },
  ...{
    listWorkloads: ['workloads:read'],
    getWorkload: ['workloads:read'],
    createWorkload: ['workloads:write'],
    updateWorkload: ['workloads:write'],
  },
  ...{ addWorkloadKey: ['workloads:write'], deleteWorkloadKey: ['workloads:write'] },
  ...{
    listAdministrators: ['administrators:read'],
    getAdministrator: ['administrators:read'],
    createAdministrator: ['administrators:write'],
  },
  ...{
    updateAdministrator: ['administrators:write'],
    addAdministratorKey: ['administrators:write'],
    deleteAdministratorKey: ['administrators:write'],
  },
  ...{
    listTrustedIssuers: ['workloads:read'],
    getTrustedIssuer: ['workloads:read'],
    getTrustedIssuerKeys: ['workloads:read'],
    createTrustedIssuer: ['workloads:write', 'grants:write'],
    updateTrustedIssuer: ['workloads:write', 'grants:write'],
    deleteTrustedIssuer: ['workloads:write', 'grants:write'],
    listWorkloadIdentities: ['workloads:read'],
    addWorkloadIdentity: ['workloads:write'],
    updateWorkloadIdentity: ['workloads:write'],
    deleteWorkloadIdentity: ['workloads:write'],
    listAdministratorIdentities: ['administrators:read'],
    addAdministratorIdentity: ['administrators:write'],
    updateAdministratorIdentity: ['administrators:write'],
    deleteAdministratorIdentity: ['administrators:write'],
  },
  ...{
    listGrants: ['grants:read'],
    getGrant: ['grants:read'],
    createGrant: ['grants:write'],
    updateGrant: ['grants:write'],
    deleteGrant: ['grants:write'],
  },
  ...{
    listRings: ['keys:read'],
    getRings: ['keys:read'],
    getKeyPolicy: ['keys:read'],
    getKek: ['keys:read'],
    getSigner: ['keys:read'],
    chooseSigner: ['keys:rotate'],
    rotateKek: ['keys:rotate'],
    setKeyPolicy: ['keys:rotate'],
    createRotation: ['keys:rotate'],
    listRotations: ['keys:read'],
    getRotation: ['keys:read'],
    cancelRotation: ['keys:rotate'],
    rotateKeys: ['keys:rotate'],
    holdKeys: ['keys:rotate'],
    resumeKeys: ['keys:rotate'],
    revokeKey: ['keys:revoke'],
    beginDrill: ['keys:rotate', 'keys:revoke'],
    endDrill: ['keys:rotate', 'keys:revoke'],
    ...{ listPublishingTargets: ['keys:read'], listPublishedDocuments: ['keys:read'] },
    ...{ turnPublishingOn: ['keys:rotate'], turnPublishingOff: ['keys:rotate'] },
    ...{ leasePublishing: ['keys:publish'], recordPlacements: ['keys:publish'], recordPass: ['keys:publish'] },
    listAuditRows: ['audit:read'],
    getService: ['keys:read'],
    sealService: ['service:seal'],
    unsealService: ['service:seal'],
  },
};

t.test('every operation of the API says which scopes it needs', async (t) => {
  const api = (await listOperations())
    .filter(({ path }) => path.startsWith('/v1/') && path !== '/v1/login' && !path.endsWith('/credentials'))
    .map(({ id }) => id);
  t.same(api.sort(), Object.keys(NEEDED).sort());
});

t.test('without exactly that scope: 403, and nothing changed', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const before = await dumpState(service.database.db);
  for (const operation of await listOperations()) {
    for (const scope of NEEDED[operation.id] ?? []) {
      const token = await service.hostToken(SCOPES.filter((held) => held !== scope));
      const reply = await send(service.url, goodRequest(world, operation, { authorization: `Bearer ${token}` }));
      t.match(
        reply,
        { status: 403, json: { code: 'insufficient_scope', detail: new RegExp(scope), hint: /\S/ } },
        `${operation.id} without ${scope}`,
      );
    }
  }
  t.same(await dumpState(service.database.db), before);
});

t.test('with these scopes and no other it goes through', async (t) => {
  const operations = await listOperations();
  const identities = ['deleteWorkloadIdentity', 'deleteAdministratorIdentity', 'deleteTrustedIssuer'];
  const last = [
    ...identities,
    'turnPublishingOff',
    'disconnectConnection',
    'deleteGrant',
    'updateWorkload',
    'updateAdministrator',
  ];
  const world = await openWorld(t);
  const { service } = world;
  for (const operation of operations.sort((a, b) => last.indexOf(a.id) - last.indexOf(b.id))) {
    const needed = NEEDED[operation.id];
    if (!needed) continue;
    // The workload holds a grant: who adds a key or an identity to it could use that grant.
    const besides = /Workload(Key|Identity)$/.test(operation.id) ? ['grants:write'] : [];
    const token = await service.hostToken([...needed, ...besides]);
    const { status, text } = await send(
      service.url,
      goodRequest(world, operation, { authorization: `Bearer ${token}` }),
    );
    // The one key that does not exist is looked for behind the scope, and so are the identities of an issuer.
    const behind = { revokeKey: 404, deleteTrustedIssuer: 409 }[operation.id];
    t.ok(status < 300 || status === behind, `${operation.id}: ${status} ${text.slice(0, 200)}`);
  }
});

t.test('a scope that was taken away is gone from tokens that carry it, at once', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const client = await registerClient(service, { slug: 'auditor', scopes: ['audit:read', 'workloads:read'] });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`);
  const ask = async (path: string) => (await service.call('GET', path, undefined, { token })).status;
  t.same([await ask('/v1/audit'), await ask('/v1/workloads')], [200, 200]);
  t.equal((await service.call('PATCH', `/v1/workloads/${client.id}`, { scopes: ['workloads:read'] })).status, 200);
  t.same([await ask('/v1/audit'), await ask('/v1/workloads')], [403, 200]);
});

t.test('a token carries no scope that was not asked for, and none that its bearer lacks', async (t) => {
  const { service } = await openWorld(t);
  const client = await registerClient(service, { slug: 'auditor', scopes: ['audit:read', 'workloads:read'] });
  const narrow = await workloadToken(service, client, `${service.config.issuerUrl}/v1`, 'audit:read');
  t.match(await service.call('GET', '/v1/whoami', undefined, { token: narrow }), {
    status: 200,
    body: { scopes: ['audit:read'] },
  });
  t.match(await service.call('GET', '/v1/workloads', undefined, { token: narrow }), {
    status: 403,
    body: { code: 'insufficient_scope' },
  });
});

t.test('nobody without connections:read lists connections, but a workload those that it may use', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const other = await service.call('POST', '/v1/connections', {
    name: 'Hidden',
    aws: { account_id: '111122223333', permission_set: 'read-only' },
  });
  const client = await registerClient(service, { slug: 'shipping' });
  await service.call('POST', '/v1/grants', {
    workload: client.id,
    selector: { connection: world.params['connection'] },
  });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`);
  const listed = await service.call('GET', '/v1/connections', undefined, { token });
  t.same(
    listed.body.items.map(({ id }: { id: string }) => id),
    [world.params['connection']],
  );
  t.equal((await service.call('GET', `/v1/connections/${other.body.id}`, undefined, { token })).status, 403);
  const admin = await registerClient(service, { slug: 'carol', kind: 'administrators' });
  const none = await workloadToken(service, admin, `${service.config.issuerUrl}/v1`);
  t.equal((await service.call('GET', '/v1/connections', undefined, { token: none })).status, 403);
});

t.test('nobody gives away what they do not hold, nor touches one who holds more', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  for (const [plural, write] of [
    ['workloads', 'workloads:write'],
    ['administrators', 'administrators:write'],
  ] as const) {
    const more = await registerClient(service, { slug: 'more', kind: plural, scopes: ['keys:revoke'] });
    const token = await service.hostToken(SCOPES.filter((scope) => scope !== 'keys:revoke'));
    const tried: [string, string, object | undefined][] = [
      ['POST', `/v1/${plural}`, { slug: 'new', scopes: ['keys:revoke'] }],
      ['PATCH', `/v1/${plural}/${plural === 'workloads' ? 'billing' : 'alice'}`, { scopes: ['keys:revoke'] }],
      ['PATCH', `/v1/${plural}/${more.id}`, { scopes: [] }],
      ['PATCH', `/v1/${plural}/${more.id}`, { state: 'suspended' }],
      ['POST', `/v1/${plural}/${more.id}/keys`, world.bodies['addWorkloadKey'] as object],
      ['DELETE', `/v1/${plural}/${more.id}/keys/${more.kid}`, undefined],
    ];
    if (plural === 'workloads') {
      const trusted = `/v1/trusted-issuers/${world.params['trusted_issuer']}`;
      const identity = { trusted_issuer: world.params['trusted_issuer'], subject: 'system:serviceaccount:a:more' };
      tried.push(
        ['POST', `/v1/workloads/${more.id}/identities`, identity],
        ['PATCH', `/v1/workloads/${more.id}`, { max_outlive_seconds: 900 }],
        // It has an identity of this issuer: whoever puts keys into it could be that workload.
        ['PATCH', trusted, { max_token_seconds: 600 }],
        ['DELETE', trusted, undefined],
      );
      await service.call('POST', `/v1/workloads/${more.id}/identities`, {
        ...identity,
        subject: 'a:b',
        report_only: true,
      });
    } else {
      const { body } = await service.call('GET', '/v1/trusted-issuers/people');
      const person = { trusted_issuer: body.id, subject: '00u3more' };
      tried.push(
        ['POST', `/v1/administrators/${more.id}/identities`, person],
        ['PATCH', '/v1/trusted-issuers/people', { login: { client_id: 'mine' } }],
        ['DELETE', '/v1/trusted-issuers/people', undefined],
      );
      await service.call('POST', `/v1/administrators/${more.id}/identities`, person);
    }
    const before = await dumpState(service.database.db);
    for (const [method, path, body] of tried) {
      t.match(
        await service.call(method, path, body, { token }),
        { status: 403, body: { code: 'scope_not_held' } },
        `${method} ${path} ${JSON.stringify(body)} with ${write}`,
      );
    }
    t.same(await dumpState(service.database.db), before);
  }
});

t.test('labels and tenants are access: connections:write alone gives neither', async (t) => {
  const world = await openWorld(t);
  const { service, params } = world;
  const token = await service.hostToken(['connections:read', 'connections:write']);
  const aws = { account_id: '111122223333', permission_set: 'read-only' };
  const path = `/v1/connections/${params['connection']}`;
  for (const [method, url, body] of [
    ['POST', '/v1/connections', { name: 'x', aws, tenant: 'acme' }],
    ['POST', '/v1/connections', { name: 'x', aws, labels: { env: 'prod' } }],
    ['PATCH', path, { tenant: 'acme' }],
    ['PATCH', path, { labels: { env: 'prod' } }],
    ['PATCH', path, { labels: {} }],
  ] as const) {
    t.match(
      await service.call(method, url, body, { token }),
      { status: 403, body: { code: 'insufficient_scope', detail: /grants:write/ } },
      JSON.stringify(body),
    );
  }
  t.equal((await service.call('POST', '/v1/connections', { name: 'x', aws }, { token })).status, 201);
  t.equal((await service.call('PATCH', path, { name: 'y' }, { token })).status, 200);
  t.equal(pathOf(world, { path: '/v1/connections/{connection}' } as never), path);
});

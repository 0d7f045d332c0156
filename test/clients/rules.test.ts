// The rules of power, for both registries alike: scopes, supersets, keys of one's own. Each assertion falls with one defence.
import t from 'tap';
import type { Scope } from '../../src/http/scopes.ts';
import { ecJwk, NOW, openApi, refused } from './api.ts';

for (const noun of ['workload', 'administrator'] as const) {
  const read: Scope = `${noun}s:read`;
  const write: Scope = `${noun}s:write`;
  const path = `/v1/${noun}s`;

  t.test(`${noun}: every route asks for its scope`, async (t) => {
    const api = await openApi(t);
    const { body } = await api.call('POST', path, { slug: 'one', keys: [ecJwk(), ecJwk()] });
    const without = (scope: Scope) => ({
      as: { kind: 'administrator', id: 'ad_other', scopes: allBut(scope) } as const,
    });
    const writes: [string, string, unknown?][] = [
      ['POST', path, { slug: 'two' }],
      ['PATCH', `${path}/one`, { description: 'x' }],
      ['POST', `${path}/one/keys`, { jwk: ecJwk() }],
      ['DELETE', `${path}/one/keys/${body.keys[0].kid}`],
    ];
    for (const [method, url, sent] of writes) {
      refused(t, await api.call(method, url, sent, without(write)), 403, 'insufficient_scope', `${method} ${url}`);
    }
    for (const url of [path, `${path}/one`]) {
      refused(t, await api.call('GET', url, undefined, without(read)), 403, 'insufficient_scope', `GET ${url}`);
    }
    t.strictSame((await api.call('GET', `${path}/one`)).body, body, 'nothing changed');
    const enough = { as: { scopes: [read, write] } };
    for (const [method, url, sent] of writes) {
      t.match((await api.call(method, url, sent, enough)).status, /^20[014]$/, `${method} ${url} with it`);
    }
  });

  t.test(`${noun}: nobody assigns a scope that they do not hold`, async (t) => {
    const api = await openApi(t);
    await api.call('POST', path, { slug: 'one', scopes: [] });
    const as = { scopes: [write, 'keys:read'] as Scope[] };
    refused(t, await api.call('POST', path, { slug: 'two', scopes: ['keys:revoke'] }, { as }), 403, 'scope_not_held');
    refused(
      t,
      await api.call('PATCH', `${path}/one`, { scopes: ['keys:read', 'keys:revoke'] }, { as }),
      403,
      'scope_not_held',
    );
    t.equal((await api.call('PATCH', `${path}/one`, { scopes: ['keys:read'] }, { as })).status, 200);
    t.equal((await api.call('POST', path, { slug: 'two', scopes: ['keys:read'] }, { as })).status, 201);
  });

  t.test(`${noun}: keys, scopes and state of one who holds more are out of reach`, async (t) => {
    const api = await openApi(t);
    const { body } = await api.call('POST', path, { slug: 'one', scopes: ['keys:revoke'], keys: [ecJwk(), ecJwk()] });
    const as = { scopes: allBut('keys:revoke') };
    const kid = body.keys[0].kid;
    for (const [method, url, sent] of [
      ['POST', `${path}/one/keys`, { jwk: ecJwk() }],
      ['DELETE', `${path}/one/keys/${kid}`],
      ['PATCH', `${path}/one`, { scopes: [] }],
      ['PATCH', `${path}/one`, { state: 'suspended' }],
    ] as const) {
      refused(t, await api.call(method, url, sent, { as }), 403, 'scope_not_held', `${method} ${JSON.stringify(sent)}`);
    }
    t.strictSame((await api.call('GET', `${path}/one`)).body, body, 'nothing changed');
    t.equal(
      (await api.call('PATCH', `${path}/one`, { description: 'words' }, { as })).status,
      200,
      'words are not power',
    );
  });

  t.test(`${noun}: at most ten keys, each once, each until its end`, async (t) => {
    const api = await openApi(t);
    await api.call('POST', path, { slug: 'one' });
    const jwk = ecJwk();
    for (const expires_at of [
      '2026-11-20T11:59:59Z',
      '2026-11-20T12:00:00.000Z',
      '2027-02-30T00:00:00Z',
      '2027-13-01T00:00:00Z',
      'tomorrow',
      1_800_000_000,
    ]) {
      refused(
        t,
        await api.call('POST', `${path}/one/keys`, { jwk, expires_at }),
        400,
        'invalid_request',
        String(expires_at),
      );
    }
    const added = await api.call('POST', `${path}/one/keys`, { jwk, expires_at: '2026-11-20T12:00:01Z' });
    t.match(added, { status: 201, body: { expires_at: '2026-11-20T12:00:01.000Z' } });
    refused(t, await api.call('POST', `${path}/one/keys`, { jwk: { ...jwk, kid: 'another' } }), 409, 'key_exists');
    refused(t, await api.call('POST', path, { slug: 'two', keys: [jwk, jwk] }), 409, 'key_exists');
    for (let count = 1; count < 10; count += 1) {
      t.equal((await api.call('POST', `${path}/one/keys`, { jwk: ecJwk() })).status, 201);
    }
    refused(t, await api.call('POST', `${path}/one/keys`, { jwk: ecJwk() }), 409, 'too_many_keys');
    refused(
      t,
      await api.call('POST', path, { slug: 'two', keys: Array.from({ length: 11 }, ecJwk) }),
      400,
      'invalid_request',
    );
    refused(t, await api.call('DELETE', `${path}/one/keys/${'A'.repeat(43)}`), 404, 'not_found');
    refused(t, await api.call('DELETE', `${path}/one/keys/short`), 400, 'invalid_request');
    const gone = await api.call('DELETE', `${path}/one/keys/${added.body.kid}`);
    t.strictSame([gone.status, gone.body], [204, undefined]);
    const { body } = await api.call('GET', `${path}/one`);
    t.equal(body.keys.length, 9);
    t.equal(body.version, 12);
    const records = await api.records(`${noun}.key_`);
    t.match(records[0], {
      kind: `${noun}.key_added`,
      details: { [noun]: body.id, version: 2, key: { kid: added.body.kid, jwk: { x: jwk.x } } },
    });
    t.match(records.at(-1), {
      kind: `${noun}.key_deleted`,
      details: { [noun]: body.id, key: { kid: added.body.kid } },
    });
  });

  t.test(`${noun}: nobody removes the last key that they can come back with`, async (t) => {
    const api = await openApi(t);
    const { body } = await api.call('POST', path, { slug: 'one', keys: [ecJwk()] });
    const [{ kid }] = body.keys;
    const self = { as: { kind: noun, id: body.id, scopes: [write] } };
    const remove = (which: string) => api.call('DELETE', `${path}/one/keys/${which}`, undefined, self);
    refused(t, await remove(kid), 409, 'last_key');
    const soon = await api.call('POST', `${path}/one/keys`, { jwk: ecJwk(), expires_at: '2026-11-20T12:01:00Z' }, self);
    api.time.now = NOW + 60_000;
    refused(t, await remove(kid), 409, 'last_key', 'the other one has expired');
    t.equal((await remove(soon.body.kid)).status, 204, 'an expired one may go');
    const next = await api.call('POST', `${path}/one/keys`, { jwk: ecJwk() }, self);
    t.equal((await remove(kid)).status, 204);
    refused(t, await remove(next.body.kid), 409, 'last_key');
    t.equal(
      (await api.call('DELETE', `${path}/one/keys/${next.body.kid}`)).status,
      204,
      'somebody else may: a stolen key must be stoppable',
    );
  });
}

t.test('a workload without scope rotates its own key, and touches nothing else', async (t) => {
  const api = await openApi(t);
  const { body: own } = await api.call('POST', '/v1/workloads', { slug: 'own', keys: [ecJwk()] });
  const { body: other } = await api.call('POST', '/v1/workloads', { slug: 'other', keys: [ecJwk(), ecJwk()] });
  const as = { kind: 'workload', id: own.id, scopes: [] } as const;
  const added = await api.call('POST', '/v1/workloads/own/keys', { jwk: ecJwk() }, { as });
  t.equal(added.status, 201);
  t.equal((await api.call('DELETE', `/v1/workloads/${own.id}/keys/${own.keys[0].kid}`, undefined, { as })).status, 204);
  const refusals = [
    await api.call('POST', '/v1/workloads/other/keys', { jwk: ecJwk() }, { as }),
    await api.call('POST', '/v1/workloads/nobody/keys', { jwk: ecJwk() }, { as }),
  ];
  for (const answer of refusals) refused(t, answer, 403, 'insufficient_scope');
  const [there, nowhere] = refusals.map(({ body: { request_id: _, ...rest } }) => rest);
  t.strictSame(there, nowhere, 'who is not there looks the same');
  refused(
    t,
    await api.call('DELETE', `/v1/workloads/other/keys/${other.keys[0].kid}`, undefined, { as }),
    403,
    'insufficient_scope',
  );
  refused(t, await api.call('PATCH', '/v1/workloads/own', { description: 'x' }, { as }), 403, 'insufficient_scope');
  refused(t, await api.call('GET', '/v1/workloads/own', undefined, { as }), 403, 'insufficient_scope');
});

t.test('a token with fewer scopes than its workload does not change that workload', async (t) => {
  const api = await openApi(t);
  const { body } = await api.call('POST', '/v1/workloads', {
    slug: 'own',
    scopes: ['audit:read'],
    keys: [ecJwk(), ecJwk()],
  });
  const as = (scopes: Scope[]) => ({ as: { kind: 'workload', id: body.id, scopes } as const });
  refused(t, await api.call('POST', '/v1/workloads/own/keys', { jwk: ecJwk() }, as([])), 403, 'scope_not_held');
  refused(
    t,
    await api.call('DELETE', `/v1/workloads/own/keys/${body.keys[0].kid}`, undefined, as([])),
    403,
    'scope_not_held',
  );
  t.equal((await api.call('POST', '/v1/workloads/own/keys', { jwk: ecJwk() }, as(['audit:read']))).status, 201);
});

t.test('an administrator needs the scope for its own keys too', async (t) => {
  const api = await openApi(t);
  const { body } = await api.call('POST', '/v1/administrators', { slug: 'ann', keys: [ecJwk()] });
  const as = { kind: 'administrator', id: body.id, scopes: [] } as const;
  refused(
    t,
    await api.call('POST', '/v1/administrators/ann/keys', { jwk: ecJwk() }, { as }),
    403,
    'insufficient_scope',
  );
});

t.test('an act whose actor may no longer act changes nothing', async (t) => {
  const api = await openApi(t);
  const before = await api.epoch();
  api.server.addHook('preHandler', async ({ caller }) => {
    caller.confirm = async () => {
      throw Object.assign(new Error('suspended'));
    };
  });
  t.equal((await api.call('POST', '/v1/workloads', { slug: 'late' })).status, 500);
  t.equal(await api.epoch(), before);
  t.strictSame(await api.database.db.selectFrom('workloads').select('id').execute(), []);
});

function allBut(left: Scope): Scope[] {
  return (
    [
      ...([
        'connections:read',
        'connections:write',
        'workloads:read',
        'workloads:write',
        'administrators:read',
      ] as const),
      ...(['administrators:write', 'grants:read', 'grants:write', 'keys:read', 'keys:revoke', 'audit:read'] as const),
    ] as Scope[]
  ).filter((scope) => scope !== left);
}

// Bad input over every operation: always a 4xx that says what to do, never a 5xx, and nothing changed.
import t from 'tap';
import { SCOPES } from '../../src/http/scopes.ts';
import { createForge } from '../support/forge.ts';
import { bodyCases, pathCases, queryCases } from './bad-cases.ts';
import { goodRequest, listOperations, openWorld, type Operation, type Sent, type World } from './operations.ts';
import { type Case, tryAll } from './refused.ts';

/** What is wrong before anything about the operation matters. */
async function commonCases(world: World, operation: Operation, good: Sent): Promise<Case[]> {
  const { service } = world;
  const { issuerUrl } = service.config;
  const forge = await createForge(service);
  const now = Math.floor(Date.now() / 1000);
  const withHeaders = (headers: Record<string, string>): Sent => ({
    ...good,
    headers: { ...good.headers, ...headers },
  });
  const bearer = (token: string): Sent => withHeaders({ authorization: `Bearer ${token}` });
  const valid = good.headers?.['authorization']?.slice(7) ?? '';
  const { authorization: _, ...anonymous } = good.headers ?? {};
  const hosts = ['evil.example', '127.0.0.1', `${new URL(service.url).host}.evil.example`, 'localhost:1'].map(
    (host) => ({ name: `Host ${host}`, sent: withHeaders({ host }), status: 421, code: 'misdirected_request' }),
  );
  const methods = {
    name: 'a method that is not served',
    sent: { ...good, method: operation.unserved },
    status: 404,
    code: 'not_found',
  };
  if (!operation.bearer)
    return [...(operation.path.endsWith('z') ? [] : hosts), ...(operation.id === 'createToken' ? [] : [methods])];
  const tokens: [string, string][] = [
    ['an expired token', await forge({ iat: now - 1000, exp: now - 100 })],
    ['a token of another audience', await forge({ aud: 'https://ledger.example' })],
    ['a token for the issuer', await forge({ aud: issuerUrl })],
    ['a token for the token endpoint', await forge({ aud: `${issuerUrl}/oauth2/token` })],
    ['a token of two audiences', await forge({ aud: [`${issuerUrl}/v1`, `${issuerUrl}/v1/credentials`] })],
    [
      'a token for another connection',
      await forge({
        sub: world.workload.id,
        client_id: world.workload.id,
        aud: `${issuerUrl}/v1/connections/cn_${'a'.repeat(26)}/credentials`,
      }),
    ],
    ['a token of another issuer', await forge({ iss: 'https://id.evil.example' })],
    ['a token of a connection issuer', await forge({ iss: `${issuerUrl}/c/${world.params['issuer']}` })],
    ['a web identity token', await forge({}, { typ: 'JWT' })],
    [
      'a token of nobody who is registered',
      await forge({ sub: `wl_${'a'.repeat(26)}`, client_id: `wl_${'a'.repeat(26)}` }),
    ],
    ['a token without a jti', await forge({ jti: undefined })],
    ['a token that lives a day', await forge({ exp: now + 86_400 })],
    ['an altered token', `${valid.slice(0, -8)}AAAAAAAA`],
    [
      'an unsigned token',
      `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${valid.split('.')[1]}.`,
    ],
    ['a token with a key of its own', await forge({}, { jwk: { kty: 'EC' } })],
    ['garbage', 'garbage'],
    ['an endless token', 'x'.repeat(7000)],
  ];
  return [
    ...hosts,
    methods,
    ...tokens.map(([name, token]) => ({ name, sent: bearer(token), status: 401, code: 'invalid_token' })),
    { name: 'no token', sent: { ...good, headers: anonymous }, status: 401, code: 'unauthenticated' },
    { name: 'another scheme', sent: withHeaders({ authorization: 'Basic eDp5' }), status: 401, code: 'invalid_token' },
    { name: 'an empty one', sent: withHeaders({ authorization: 'Bearer ' }), status: 401 },
  ];
}

t.test('every operation', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const forge = await createForge(service);
  const api = await forge({
    sub: 'host',
    client_id: 'host',
    scope: SCOPES.join(' '),
  });
  const credentials = await forge({
    sub: world.workload.id,
    client_id: world.workload.id,
    aud: `${service.config.issuerUrl}/v1/credentials`,
  });
  for (const operation of await listOperations()) {
    const token = operation.path.endsWith('/credentials') ? credentials : api;
    const good = goodRequest(world, operation, operation.bearer ? { authorization: `Bearer ${token}` } : {});
    const cases = [...(await commonCases(world, operation, good)), ...pathCases(operation, good)];
    if (operation.body) {
      t.ok(world.bodies[operation.id], `there is a body for ${operation.id}`);
      cases.push(...bodyCases(good, world.bodies[operation.id] as Record<string, unknown>, operation.body));
    }
    // Documents and health take no parameters, and do not read what is sent.
    if (operation.bearer || Object.keys(operation.query).length > 0) cases.push(...queryCases(good, operation.query));
    await t.test(operation.id, (t) => tryAll(t, world, operation, cases));
  }
});

t.test('paths that nobody serves', async (t) => {
  const world = await openWorld(t);
  const operation = {
    id: 'nothing',
    path: '',
    method: 'GET',
    unserved: 'PUT',
    bearer: false,
    query: {},
    body: undefined,
  };
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v2/whoami',
    '/V1/whoami',
    '/v1/whoami/',
    '/v1//whoami',
    '//v1/whoami',
    '/%76%31/nothing',
    '/c',
    '/c/x',
    '/.env',
    '/v1/connections/a/b/c/d',
    '/%',
    '/%zz',
    '/%00',
    '/token',
    `/${'x'.repeat(3000)}`,
    '/../../etc/passwd',
  ];
  await tryAll(
    t,
    world,
    operation,
    paths.map((path) => ({ name: path.slice(0, 20), sent: { method: 'GET', path } })),
  );
});

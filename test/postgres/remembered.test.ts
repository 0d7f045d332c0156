// What an idle replica remembers of a client is worth nothing once another replica has changed it.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { testDatabaseUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { assertion, postToken, tokenForm } from '../support/service.ts';

const AUDIENCE = 'https://ledger.example';

function newKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { jwk: publicKey.export({ format: 'jwk' }), privateKey };
}

/** A workload that replica B remembers, and a way to change it at A. */
async function setUp(t: Test) {
  const { replicas, callAt, issuerUrl } = await startReplicas(t, 2, {
    DATABASE_URL: (await testDatabaseUrl(t)) as string,
  });
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const { jwk, privateKey } = newKey();
  const { body } = await callAt(a, 'POST', '/v1/workloads', {
    slug: 'billing',
    scopes: ['audit:read'],
    audiences: [AUDIENCE],
    keys: [jwk],
  });
  const client = { id: body.id as string, kid: body.keys[0].kid as string, privateKey };
  const mintAtB = async (resource = AUDIENCE, scope?: string) =>
    postToken(b.url, tokenForm(await assertion(issuerUrl, client), resource, scope));
  const changeAtA = async (method: string, path: string, change?: object) => {
    const { status } = await callAt(a, method, `/v1/workloads/${client.id}${path}`, change);
    t.ok(status < 300, `${method} ${path} at A: ${status}`);
  };
  t.equal((await mintAtB()).status, 200);
  t.equal((await mintAtB()).status, 200, 'remembered');
  return { mintAtB, changeAtA, client, api: `${issuerUrl}/v1` };
}

t.test('suspended at one, refused at the other', async (t) => {
  const { mintAtB, changeAtA } = await setUp(t);
  await changeAtA('PATCH', '', { state: 'suspended' });
  t.match(await mintAtB(), { status: 400, body: { error: 'unauthorized_client', access_token: undefined } });
  await changeAtA('PATCH', '', { state: 'active' });
  t.equal((await mintAtB()).status, 200, 'and resumed');
});

t.test('an audience, a scope or a key taken away at one is gone at the other', async (t) => {
  const { mintAtB, changeAtA, client, api } = await setUp(t);
  t.equal((await mintAtB(api, 'audit:read')).status, 200);
  await changeAtA('PATCH', '', { scopes: [] });
  t.match(await mintAtB(api, 'audit:read'), { status: 400, body: { error: 'invalid_scope' } });
  t.equal((await mintAtB()).status, 200);
  await changeAtA('PATCH', '', { audiences: [] });
  t.match(await mintAtB(), { status: 400, body: { error: 'invalid_target' } });
  await changeAtA('POST', '/keys', { jwk: newKey().jwk });
  t.equal((await mintAtB(api)).status, 200);
  await changeAtA('DELETE', `/keys/${client.kid}`);
  t.match(await mintAtB(api), { status: 401, body: { error: 'invalid_client' } });
});

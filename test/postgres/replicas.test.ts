// Two replicas behind one issuer URL: what one mints the other takes, and a suspension is obeyed by both from its commit.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { createStack, startTestSandbox } from '../support/connect-account.ts';
import { testDatabaseUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { assertion, postToken, tokenForm } from '../support/service.ts';

async function setUp(t: Parameters<typeof startTestSandbox>[0], count = 2) {
  const DATABASE_URL = (await testDatabaseUrl(t)) as string;
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const cluster = await startReplicas(t, count, { DATABASE_URL, STS_ENDPOINT_URL: sandbox.url });
  const { callAt, replicas, issuerUrl } = cluster;
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const account = '111122223333';
  const created = await callAt(a, 'POST', '/v1/connections', {
    name: 'A customer',
    aws: { account_id: account, permission_set: 'read-only' },
  });
  const { id } = created.body;
  await createStack(sandbox, account, 'countersign', (await callAt(b, 'GET', `/v1/connections/${id}/template`)).body);
  await callAt(a, 'POST', `/v1/connections/${id}/verify`, {});
  const active = await callAt(b, 'GET', `/v1/connections/${id}?wait=active&timeout_seconds=20`);
  t.equal(active.body.state, 'active', 'verified by one, seen by the other');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const workload = (
    await callAt(a, 'POST', '/v1/workloads', { slug: 'billing', keys: [publicKey.export({ format: 'jwk' })] })
  ).body;
  await callAt(a, 'POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
  const client = { id: workload.id, slug: 'billing', kid: workload.keys[0].kid, privateKey };
  const path = `/v1/connections/${id}/credentials`;
  const mintAt = async (url: string) =>
    postToken(url, tokenForm(await assertion(issuerUrl, client), `${issuerUrl}${path}`));
  return { ...cluster, a, b, client, path, mintAt, sandbox, id };
}

t.test('minted at one, traded at the other; an assertion shown to both gives one token', async (t) => {
  const { a, b, callAt, path, mintAt, issuerUrl, client } = await setUp(t);
  const minted = await mintAt(a.url);
  t.equal(minted.status, 200, JSON.stringify(minted.body));
  t.match(await callAt(b, 'GET', path, undefined, minted.body.access_token), {
    status: 200,
    body: { AccessKeyId: /^ASIA/ },
  });
  const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}${path}`);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => postToken(index % 2 ? a.url : b.url, form)),
  );
  t.equal(answers.filter((answer) => answer.status === 200).length, 1, 'replay decided across replicas');
});

t.test('rotated at one, signed and verified by both', async (t) => {
  const { a, b, callAt, path, mintAt } = await setUp(t);
  const before = (await mintAt(b.url)).body.access_token;
  t.equal((await callAt(a, 'POST', '/v1/keys/platform/rotate', { now: true })).status, 200);
  const after = (await mintAt(a.url)).body.access_token;
  for (const token of [before, after]) {
    for (const replica of [a, b]) {
      // A replica may not know a key that was activated a moment ago only if it was published a moment ago: this one was not.
      t.match(await callAt(replica, 'GET', path, undefined, token), { status: 200 });
    }
  }
});

t.test('a connection made at one is known to the other at once', async (t) => {
  const { a, b, callAt } = await setUp(t);
  for (let index = 0; index < 5; index += 1) {
    const { body } = await callAt(a, 'POST', '/v1/connections', {
      name: 'x',
      aws: { account_id: '111122223333', permission_set: 'read-only' },
    });
    t.match(
      await callAt(b, 'GET', `/c/${body.issuer.id}/jwks`),
      { status: 200, body: { keys: [{}, {}] } },
      'AWS asks seconds after a link is made',
    );
  }
});

t.test('a key added at one, and a workload resumed at one, are good at the other at once', async (t) => {
  const { a, b, callAt, client, mintAt, issuerUrl, path } = await setUp(t);
  t.equal((await mintAt(b.url)).status, 200, 'remembered at b');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const added = await callAt(a, 'POST', `/v1/workloads/${client.id}/keys`, {
    jwk: publicKey.export({ format: 'jwk' }),
  });
  const renewed = { ...client, kid: added.body.kid, privateKey };
  const form = async (kid: boolean) =>
    tokenForm(await assertion(issuerUrl, renewed, {}, kid ? {} : { kid: undefined }), `${issuerUrl}${path}`);
  t.equal((await postToken(b.url, await form(true))).status, 200, 'by its kid');
  t.equal((await postToken(b.url, await form(false))).status, 200, 'without a kid');
  await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'suspended' });
  t.not((await mintAt(b.url)).status, 200);
  await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'active' });
  t.equal((await mintAt(b.url)).status, 200, 'what is remembered may only say yes');
});

t.test('a suspension is obeyed by both from its commit, under load', async (t) => {
  const { a, b, callAt, path, mintAt, client } = await setUp(t);
  const token = (await mintAt(b.url)).body.access_token;
  let suspended = false;
  let stop = false;
  const wrong: string[] = [];
  const seen = { before: 0, after: 0 };
  const load = Array.from({ length: 6 }, async (_, index) => {
    const replica = index % 2 ? a : b;
    while (!stop) {
      const startedAfter = suspended;
      const answer = index < 3 ? await mintAt(replica.url) : await callAt(replica, 'GET', path, undefined, token);
      seen[startedAfter ? 'after' : 'before'] += 1;
      if (startedAfter && answer.status < 300) wrong.push(`${answer.status} after the commit`);
      if (!startedAfter && answer.status >= 500 && answer.status !== 503) wrong.push(JSON.stringify(answer.body));
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const answer = await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'suspended' });
  suspended = true;
  t.equal(answer.status, 200);
  await new Promise((resolve) => setTimeout(resolve, 700));
  stop = true;
  await Promise.all(load);
  t.same(wrong, []);
  t.ok(seen.before > 5 && seen.after > 5, `${seen.before} before, ${seen.after} after`);
});

t.test('three replicas start at once on an empty database: one ring, one policy', async (t) => {
  const DATABASE_URL = (await testDatabaseUrl(t)) as string;
  const { replicas, callAt } = await startReplicas(t, 3, { DATABASE_URL });
  const rings = await Promise.all(
    replicas.map(async (replica) => (await callAt(replica, 'GET', '/v1/keys/platform')).body.items),
  );
  for (const items of rings) {
    t.equal(items.length, 1);
    t.equal(items[0].keys.length, 2);
    t.same(items[0].keys, rings[0][0].keys);
  }
});

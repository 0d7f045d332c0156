// A rolling restart under load: one replica after the other is told to stop and replaced, and no caller notices.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { createChecker } from '../soak/invariants.ts';
import type { Ledger } from '../soak/load.ts';
import { startBalancer } from '../support/balancer.ts';
import { createStack, startTestSandbox } from '../support/connect-account.ts';
import { testDatabaseUrl, testServiceUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { assertion, call, postToken, tokenForm } from '../support/service.ts';

const ACCOUNT = '111122223333';

t.test('no request is dropped or fails, and no record is missing', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const env = {
    ...{ DATABASE_URL: (await testServiceUrl(t)) as string, MIGRATE: 'check', DRAIN_SECONDS: '5' },
    STS_ENDPOINT_URL: sandbox.url,
  };
  const { replicas, callAt, proxy, issuerUrl, startAnother } = await startReplicas(t, 2, env, startBalancer);
  const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const { body: connection } = await callAt(first, 'POST', '/v1/connections', {
    name: 'A customer',
    aws: { account_id: ACCOUNT, permission_set: 'read-only' },
  });
  const template = await callAt(first, 'GET', `/v1/connections/${connection.id}/template`);
  await createStack(sandbox, ACCOUNT, 'countersign', template.body);
  await callAt(first, 'POST', `/v1/connections/${connection.id}/verify`, {});
  const active = await callAt(second, 'GET', `/v1/connections/${connection.id}?wait=active&timeout_seconds=30`);
  t.equal(active.body.state, 'active');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = [publicKey.export({ format: 'jwk' })];
  const { body: workload } = await callAt(first, 'POST', '/v1/workloads', { slug: 'billing', keys });
  await callAt(first, 'POST', '/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  const client = { id: workload.id, kid: workload.keys[0].kid, privateKey };
  const path = `/v1/connections/${connection.id}/credentials`;

  const ledger: Ledger = {
    ...{ tokens: [], sessions: [], acts: [], faults: [] },
    ...{ answered: 0, unavailable: 0, cut: 0, suspensions: 0, refusedSuspended: 0 },
  };
  const served = { documents: 0 };
  const judge = (what: string, { status, body }: { status: number; body: unknown }): boolean => {
    ledger.answered += 1;
    if (status !== 200) ledger.faults.push(`${what}: ${status} ${JSON.stringify(body).slice(0, 300)}`);
    return status === 200;
  };
  let stopped = false;
  const until = async (loop: () => Promise<void>): Promise<void> => {
    while (!stopped)
      await loop().catch((error: Error) => void ledger.faults.push(`${error.message}: ${String(error.cause)}`));
  };
  const trade = async (): Promise<void> => {
    const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}${path}`);
    const minted = await postToken(issuerUrl, form);
    if (!judge('a token', minted)) return;
    const token = minted.body.access_token as string;
    ledger.tokens.push(JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()).jti);
    const traded = await call(issuerUrl, 'GET', path, undefined, { authorization: `Bearer ${token}` });
    if (!judge('an exchange', traded)) return;
    const requestId = traded.headers.get('x-request-id') as string;
    ledger.sessions.push({ accessKeyId: traded.body.AccessKeyId, requestId });
  };
  const read = async (): Promise<void> => {
    for (const document of ['/jwks', `/c/${connection.issuer.id}/jwks`, '/.well-known/openid-configuration'])
      if (judge(document, await call(issuerUrl, 'GET', document))) served.documents += 1;
  };
  const load = [trade, trade, trade, read].map(until);

  const enough = async (tokens: number): Promise<void> => {
    const aim = ledger.tokens.length + tokens;
    for (const end = Date.now() + 60_000; ledger.tokens.length < aim && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await enough(20);
  for (const old of [first, second]) {
    const red = (async () => {
      for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
        const answer = await call(old.url, 'GET', '/readyz').catch(() => undefined);
        if (answer?.status !== 200) return answer;
      }
      return undefined;
    })();
    const ended = old.stop();
    t.match(await red, { status: 503, body: { reason: 'this process is stopping' } }, 'red while it still serves');
    t.equal(
      (await call(old.url, 'GET', '/livez')).headers.get('connection'),
      'close',
      'every answer ends its connection',
    );
    t.equal(await ended, 0);
    proxy.targets = proxy.targets.filter((target) => target !== old.url);
    const young = await startAnother();
    proxy.targets.push(young.url);
    await enough(20);
  }
  stopped = true;
  await Promise.all(load);

  t.same(ledger.faults, []);
  t.ok(
    ledger.tokens.length >= 60 && served.documents >= 60,
    `${ledger.tokens.length} tokens, ${served.documents} documents`,
  );
  t.equal(ledger.sessions.length, ledger.tokens.length);
  const checker = createChecker((await testDatabaseUrl(t)) as string);
  t.teardown(() => checker.close());
  t.same(await checker.settle(ledger), []);
  t.ok(checker.streams() >= 4, 'each process had streams of its own');
});

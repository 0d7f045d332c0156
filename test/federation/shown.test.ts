// A platform's token shown at the credentials endpoint itself: where it names that endpoint, and on record as mint and exchange.
import t from 'tap';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { nowSeconds, startStandIn } from '../support/stand-in-issuer.ts';
import { workloadToken } from '../support/service.ts';
import { until } from '../support/until.ts';
import { openFederation } from './world.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';

t.test('a token of a pod gets credentials, where its audience is that endpoint', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const cluster = await startStandIn(t);
  const federation = await openFederation(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { service } = federation;
  const { issuerUrl } = service.config;
  const connection = await connectAccount(service, sandbox);
  const other = await connectAccount(service, sandbox);
  await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'cluster', subject: SUBJECT });
  for (const { id } of [connection, other])
    await service.call('POST', '/v1/grants', { workload: billing.id, selector: { connection: id } });
  const path = `/v1/connections/${connection.id}/credentials`;
  const show = async (claims: Record<string, unknown>, at = path) =>
    await service.call('GET', at, undefined, { token: await cluster.sign({ sub: SUBJECT, ...claims }) });

  for (const aud of [`${issuerUrl}/v1/credentials`, `${issuerUrl}${path}`])
    t.match(await show({ aud }), { status: 200, body: { AccessKeyId: /^ASIA/ } }, aud);
  const { body: minted } = await service.call('GET', `/v1/audit?kind=token.minted&workload=${billing.id}`);
  const { body: given } = await service.call('GET', `/v1/audit?kind=credentials.handed_out&workload=${billing.id}`);
  t.equal(minted.items.length, 2);
  t.match(minted.items[0].details, { shown: true, external_subject: SUBJECT });
  const jtis = (items: { details: { jti: string; token_jti: string } }[], name: 'jti' | 'token_jti'): string[] =>
    items.map(({ details }) => details[name]).sort();
  t.same(jtis(given.items, 'token_jti'), jtis(minted.items, 'jti'), 'each hand-out names its mint');

  const refused: [string, Record<string, unknown>, string][] = [
    ['the issuer is for the token endpoint alone', { aud: issuerUrl }, path],
    ["another connection's", { aud: `${issuerUrl}/v1/connections/${other.id}/credentials` }, path],
    ["the API's", { aud: `${issuerUrl}/v1` }, path],
    ["somebody else's", { aud: 'https://vault.example' }, path],
    ['two audiences', { aud: [`${issuerUrl}${path}`, issuerUrl] }, path],
    ['expired', { aud: `${issuerUrl}${path}`, iat: nowSeconds() - 90, exp: nowSeconds() - 1 }, path],
    ['nobody', { aud: `${issuerUrl}${path}`, sub: 'system:serviceaccount:payments:other' }, path],
    ['the API takes none', { aud: `${issuerUrl}/v1` }, '/v1/connections'],
  ];
  for (const [name, claims, at] of refused)
    t.match(await show(claims, at), { status: 401, body: { code: 'invalid_token', hint: /\S/ } }, name);
  const { body: refusals } = await service.call('GET', `/v1/audit?kind=exchange.refused&workload=${billing.id}`);
  t.ok(refusals.items.length > 0, 'the refusal of somebody known is on record');

  await service.call('PATCH', '/v1/trusted-issuers/cluster', { state: 'suspended' });
  t.equal((await show({ aud: `${issuerUrl}${path}` })).status, 401, 'from the commit of its suspension');
  await service.call('PATCH', '/v1/trusted-issuers/cluster', { state: 'active' });
  await service.call('PATCH', `/v1/workloads/${billing.id}`, { state: 'suspended' });
  t.match(await show({ aud: `${issuerUrl}${path}` }), { status: 403, body: { code: 'workload_suspended' } });
  const { body: after } = await service.call('GET', `/v1/audit?kind=token.minted&workload=${billing.id}`);
  t.equal(after.items.length, 2, 'nothing was minted by what was refused');
});

t.test(
  'what a pod asked for is not given to it where its issuer is suspended meanwhile, and to who waits beside it',
  async (t) => {
    const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
    const cluster = await startStandIn(t);
    const federation = await openFederation(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
    const { service } = federation;
    const { id } = await connectAccount(service, sandbox);
    await federation.trust({ name: 'cluster', kind: 'kubernetes', issuer: cluster.url });
    const billing = await federation.register('billing');
    await federation.identify(billing.id, { trusted_issuer: 'cluster', subject: SUBJECT });
    await service.call('POST', '/v1/grants', { workload: billing.id, selector: { connection: id } });
    const path = `/v1/connections/${id}/credentials`;
    const token = await cluster.sign({ sub: SUBJECT, aud: `${service.config.issuerUrl}${path}` });
    const rows = async (kind: string) =>
      (await service.call('GET', `/v1/audit?kind=${kind}&workload=${billing.id}`)).body.items;
    sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'latency', latencyMs: 8000, times: 1 });
    const own = await workloadToken(service, billing, `${service.config.issuerUrl}${path}`);
    const answer = service.call('GET', path, undefined, { token });
    t.ok(await until(async () => (await rows('exchange.intent')).length === 1));
    const beside = service.call('GET', path, undefined, { token: own });
    await service.call('PATCH', '/v1/trusted-issuers/cluster', { state: 'suspended' });
    t.same(await rows('exchange.outcome'), [], 'STS takes its time');
    t.match(await answer, { status: 401, body: { code: 'invalid_token', detail: /lets nobody in/ } });
    t.match(await beside, { status: 200, body: { AccessKeyId: /^ASIA/ } }, 'the same workload, by a key of its own');
    const outcomes = await rows('exchange.outcome');
    t.match(outcomes, [{ details: { outcome: 'obtained' } }], 'one, of the one exchange');
    const given = await rows('credentials.handed_out');
    t.match(given, [{ exchange: outcomes[0].exchange }]);
    t.equal(given.length, 1, 'to one of them');
  },
);

t.test('a one-time token is shown there once', async (t) => {
  const company = await startStandIn(t, 'ES256');
  const federation = await openFederation(t);
  const { service } = federation;
  const aud = `${service.config.issuerUrl}/v1/credentials`;
  await federation.trust({ name: 'company', kind: 'oidc', issuer: company.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'company', subject: 'billing' });
  const token = await company.sign({ sub: 'billing', aud, jti: 'one' });
  const show = () => service.call('GET', '/v1/connections/acme/credentials', undefined, { token });
  t.equal((await show()).status, 404, 'a workload without that connection');
  t.match(await show(), { status: 401, body: { detail: /shown before/ } });
});

// /metrics of a running service: who may read it, what is counted, and that customers add no series.
import { request } from 'node:http';
import { IAMClient, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import t from 'tap';
import { connectAccount, ownerConfig, startTestSandbox } from '../support/connect-account.ts';
import { findLastingPort } from '../support/ports.ts';
import {
  assertion,
  call,
  postToken,
  registerClient,
  startTestService,
  tokenForm,
  workloadToken,
} from '../support/service.ts';
import { scrape, scrapeWhole } from './scrape.ts';

/** Status of a GET with a Host of its own. */
async function statusWithHost(url: string, path: string, host: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    request(url + path, { headers: { host } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
  });
}

t.test('metrics answer any Host without a token on the internal listener, and are not on the public one', async (t) => {
  const internalPort = await findLastingPort();
  const internal = `http://127.0.0.1:${internalPort}`;
  const service = await startTestService(t, { env: { INTERNAL_PORT: String(internalPort), INTERNAL_URL: internal } });
  const answer = await call(internal, 'GET', '/metrics');
  t.equal(answer.status, 200);
  t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  t.equal(answer.headers.get('cache-control'), 'no-store');
  t.equal(await statusWithHost(internal, '/metrics', '10.0.0.7:9999'), 200, 'a scraper goes by address');
  t.equal((await call(service.url, 'GET', '/metrics')).status, 404, 'strangers find nothing');
  t.equal(await statusWithHost(service.url, '/metrics', '10.0.0.7:9999'), 421);
  for (const capability of ['tokens', 'broker', 'admin']) {
    const path = `/readyz?capability=${capability}`;
    t.equal((await call(internal, 'GET', path)).status, 200);
    t.equal((await call(service.url, 'GET', path)).status, 400, 'no stranger makes it ask the database');
  }
  for (const path of ['/readyz', '/readyz?capability=documents'])
    t.equal((await call(service.url, 'GET', path)).status, 200, 'a load balancer asks for the documents');
});

t.test('tokens, exchanges, hand-outs and refusals are counted by outcome', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const connection = await connectAccount(service, sandbox);
  const workload = await registerClient(service, { slug: 'billing' });
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  const { issuerUrl } = service.config;
  const path = `/v1/connections/${connection.id}/credentials`;
  const before = await scrapeWhole(service.url);
  t.equal(before.value('countersign_verifications_pending'), 0);
  t.equal(before.value('countersign_tokens_total{outcome="minted"}'), 0);

  const token = await workloadToken(service, workload, issuerUrl + path);
  t.equal((await service.call('GET', path, undefined, { token })).status, 200);
  const refused = await postToken(
    service.url,
    tokenForm(await assertion(issuerUrl, workload), issuerUrl + path, 'keys:read'),
  );
  t.equal(refused.status, 400);
  const wrongKey = { ...workload, privateKey: (await registerClient(service, { slug: 'other' })).privateKey };
  t.equal((await postToken(service.url, tokenForm(await assertion(issuerUrl, wrongKey), issuerUrl))).status, 401);
  t.equal((await postToken(service.url, 'grant_type=password')).status, 400);
  t.equal((await service.call('GET', `${path}?duration_seconds=899`, undefined, { token })).status, 400);
  t.equal(
    (await service.call('GET', '/v1/whoami', undefined, { token })).status,
    401,
    'a good token of another audience',
  );
  t.equal((await service.call('GET', '/v1/whoami', undefined, { token: 'nonsense' })).status, 401);

  const name = connection.issuer.url.replace(/^http:\/\//, '');
  await new IAMClient(ownerConfig(sandbox, connection.aws.account_id)).send(
    new UpdateAssumeRolePolicyCommand({
      RoleName: connection.aws.role_name,
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            ...{ Effect: 'Allow', Action: 'sts:AssumeRoleWithWebIdentity' },
            Principal: { Federated: `arn:aws:iam::${connection.aws.account_id}:oidc-provider/${name}` },
            Condition: { StringEquals: { [`${name}:aud`]: 'sts.amazonaws.com', [`${name}:sub`]: 'somebody-else' } },
          },
        ],
      }),
    }),
  );
  t.equal((await service.call('GET', `${path}?duration_seconds=1800`, undefined, { token })).status, 403);

  const { value } = await scrape(service.url);
  for (const [series, more] of [
    ['countersign_tokens_total{outcome="minted"}', 1],
    ['countersign_tokens_total{outcome="refused"}', 1],
    ['countersign_tokens_total{outcome="stranger"}', 2],
    ['countersign_tokens_total{outcome="unavailable"}', 0],
    ['countersign_exchanges_total{outcome="ok"}', 1],
    ['countersign_exchanges_total{outcome="account_owner"}', 1],
    ['countersign_exchanges_total{outcome="ours"}', 0],
    ['countersign_handouts_total{outcome="given"}', 1],
    ['countersign_handouts_total{outcome="dropped"}', 0],
    ['countersign_sts_calls_total{operation="assume_role",outcome="account_owner"}', 1],
    ['countersign_sts_duration_seconds_count{operation="assume_role"}', 2],
    ['countersign_refusals_total{code="invalid_scope"}', 1],
    ['countersign_refusals_total{code="duration_out_of_range"}', 1],
    ['countersign_refusals_total{code="sts_refused"}', 1],
    ['countersign_refusals_total{code="invalid_token"}', 1],
    ['countersign_strangers_refused_total{code="invalid_client"}', 1],
    ['countersign_strangers_refused_total{code="unsupported_grant_type"}', 1],
    ['countersign_strangers_refused_total{code="invalid_token"}', 1],
    ['countersign_failures_total{code="internal"}', 0],
  ] as const)
    t.equal(value(series) - before.value(series), more, series);
  t.ok(value('countersign_audit_batch_rows_count') > before.value('countersign_audit_batch_rows_count'));
  t.equal(value('countersign_audit_batches_failed_total'), 0);
  for (const stream of ['tokens', 'acts']) {
    t.equal(value(`countersign_audit_appends_waiting{stream="${stream}"}`), 0);
    t.equal(value(`countersign_audit_oldest_wait_seconds{stream="${stream}"}`), 0);
  }
});

t.test('what holds now is shown, and what is not known is not', async (t) => {
  const service = await startTestService(t);
  const { value, samples, types } = await scrapeWhole(service.url);
  t.equal(value('countersign_database_up'), 1);
  for (const capability of ['documents', 'tokens', 'broker', 'admin'])
    t.equal(value(`countersign_ready{capability="${capability}"}`), 1, capability);
  t.ok(value('countersign_ring_view_age_seconds') < 30);
  t.equal(value('countersign_ring_view_signs_until_seconds'), 30, 'R of its policy');
  t.equal(value('countersign_ring_view_serves_until_seconds'), 30, 'D of its policy');
  t.ok(Math.abs(value('countersign_clock_offset_seconds')) < value('countersign_clock_offset_limit_seconds'));
  t.equal(value('countersign_rings'), 1, "the platform's");
  for (const state of ['active', 'standby']) {
    t.equal(value(`countersign_key_age_seconds_count{state="${state}"}`), 1);
    t.equal(value(`countersign_key_age_seconds_bucket{state="${state}",le="60"}`), 1);
    t.ok(value(`countersign_key_age_seconds_max{state="${state}"}`) < 60);
  }
  t.equal(value('countersign_rotations_due'), 0);
  t.equal(value('countersign_rotation_overdue_seconds'), 0);
  t.ok(Math.abs(value('countersign_next_rotation_seconds') - 180) < 10, 'the period of a loopback issuer');
  const pool = [...samples.keys()].filter((name) => name.startsWith('countersign_database_pool'));
  t.equal(pool.length, service.database.engine === 'postgresql' ? 3 : 0, 'PGlite has no pool');
  t.match([...samples.keys()].join('\n'), /countersign_build_info\{version="\d+\.\d+\.\d+",node="v\d+/);
  for (const name of [
    ...['process_resident_memory_bytes', 'process_cpu_seconds_total', 'process_start_time_seconds', 'process_open_fds'],
    ...['nodejs_eventloop_active_seconds_total', 'nodejs_eventloop_idle_seconds_total'],
    ...['nodejs_eventloop_lag_p99_seconds', 'nodejs_heap_size_used_bytes'],
  ])
    t.ok(value(name) >= 0 && types.has(name), name);
});

t.test('customers, workloads and their ids are in no series, however many there are', async (t) => {
  const service = await startTestService(t);
  const few = await scrapeWhole((await startTestService(t)).url);
  const tenants = Array.from({ length: 30 }, (_, index) => `tenant-${index}`);
  for (const [index, tenant] of tenants.entries()) {
    const made = await service.call('POST', '/v1/connections', {
      ...{ name: `Customer ${index}`, tenant, reference: `reference-${index}` },
      aws: { account_id: String(100_000_000_000 + index), permission_set: 'administrator' },
    });
    t.equal(made.status, 201);
    const workload = await registerClient(service, { slug: `workload-${index}`, scopes: ['keys:read'] });
    const { body } = await postToken(
      service.url,
      tokenForm(await assertion(service.config.issuerUrl, workload), `${service.config.issuerUrl}/v1`),
    );
    await service.call('GET', `/v1/keys/no-such-${index}`, undefined, { token: body.access_token });
    await service.call('GET', `/v1/no-such-path-${index}`, undefined, { token: `nonsense-${index}` });
  }
  const many = await scrapeWhole(service.url);
  t.same([...many.samples.keys()].sort(), [...few.samples.keys()].sort(), 'not one series more');
  t.equal(many.value('countersign_rings'), 31);
  t.equal(many.value('countersign_key_age_seconds_count{state="active"}'), 31);
  t.ok(many.samples.size < 500, `${many.samples.size} series`);
  t.notMatch(many.text, /[a-z]{2}_[a-z2-7]{26}|tenant-|workload-\d|reference-|1000000000\d\d|Customer/);
});

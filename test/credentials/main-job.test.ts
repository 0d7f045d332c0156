// The main job, end to end on real parts: a stack of our own template, the real SDKs, a sandbox as strict as AWS.
import { IAMClient, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import t from 'tap';
import { connectAccount, ownerConfig, startTestSandbox } from '../support/connect-account.ts';
import { type Answer, registerClient, startTestService, type TestService, workloadToken } from '../support/service.ts';

async function setUp(t: Parameters<typeof startTestService>[0]) {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const connection = await connectAccount(service, sandbox);
  const workload = await registerClient(service, { slug: 'billing' });
  const grant = (who: string, body: object = {}) =>
    service.call('POST', '/v1/grants', { workload: who, selector: { connection: connection.id }, ...body });
  const resource = `${service.config.issuerUrl}/v1/connections/${connection.id}/credentials`;
  const ask = async (token: string, query = ''): Promise<Answer> =>
    service.call('GET', `/v1/connections/${connection.id}/credentials${query}`, undefined, { token });
  return { sandbox, service, connection, workload, grant, resource, ask };
}

async function auditRows(service: TestService, query: string) {
  const { body } = await service.call('GET', `/v1/audit?${query}`);
  return body.items as { kind: string; exchange?: string; details: Record<string, unknown> }[];
}

t.test('a service gets credentials of a customer account, and every step is on record', async (t) => {
  const { sandbox, service, connection, workload, grant, resource, ask } = await setUp(t);
  t.equal((await grant(workload.id)).status, 201);
  const token = await workloadToken(service, workload, resource);
  const answer = await ask(token);
  t.equal(answer.status, 200, JSON.stringify(answer.body));
  t.equal(answer.headers.get('cache-control'), 'no-store');
  t.equal(answer.headers.get('access-control-allow-origin'), null);
  t.match(answer.body, {
    AccessKeyId: /^ASIA/,
    SecretAccessKey: String,
    Token: String,
    AccountId: connection.aws.account_id,
    RoleArn: connection.aws.role_arn,
  });
  t.match(answer.body.Expiration, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken } = answer.body;
  const sts = new STSClient({
    region: 'us-east-1',
    endpoint: sandbox.url,
    credentials: { accessKeyId, secretAccessKey, sessionToken },
  });
  const identity = await sts.send(new GetCallerIdentityCommand({}));
  t.equal(identity.Account, connection.aws.account_id);
  t.match(
    identity.Arn,
    new RegExp(`:assumed-role/${connection.aws.role_name}/billing-${workload.id.slice(3, 11)}$`),
    'the session is named by the server',
  );

  const rows = await auditRows(service, `connection=${connection.id}&workload=${workload.id}`);
  const [handedOut, outcome, intent] = rows;
  t.match(intent, {
    kind: 'exchange.intent',
    details: { kid: String, jti: String, token_jti: decodeJwt(token).jti, duration_seconds: 3600, grant_version: 1 },
  });
  t.match(outcome, {
    kind: 'exchange.outcome',
    exchange: intent?.exchange,
    details: { outcome: 'obtained', access_key_id: accessKeyId, sts_request_id: String },
  });
  t.match(handedOut, {
    kind: 'credentials.handed_out',
    exchange: intent?.exchange,
    details: { access_key_id: accessKeyId, token_jti: decodeJwt(token).jti, request_id: String, grant_version: 1 },
  });
  const again = await ask(token);
  t.match(again.body, { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey }, 'asked again: the same session');
  const [another, ...before] = await auditRows(service, `connection=${connection.id}&workload=${workload.id}`);
  t.match(another, { kind: 'credentials.handed_out', exchange: intent?.exchange }, 'a row of its own');
  t.strictSame(before, rows, 'and no exchange');
  const everything = JSON.stringify([await auditRows(service, 'limit=200'), service.logged]);
  for (const secret of [secretAccessKey, sessionToken, token])
    t.notOk(everything.includes(secret), 'no secret in the audit or the log');
});

t.test('source identity and session tags, where the owner let them in', async (t) => {
  const { sandbox, service, workload, grant, ask, connection } = await setUp(t);
  const tagged = await connectAccount(service, sandbox, {
    account: '777788889999',
    body: { reference: 'tagged', source_identity: true, session_tags: true },
  });
  await service.call('POST', '/v1/grants', {
    workload: workload.id,
    selector: { connection: tagged.id },
    tags: { team: 'billing' },
  });
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`);
  t.match(await service.call('GET', '/v1/connections/tagged/credentials', undefined, { token }), { status: 200 });
  await grant(workload.id);
  t.match(await service.call('PATCH', `/v1/connections/${connection.id}`, { session_tags: true }), { status: 200 });
  await service.call(
    'PATCH',
    `/v1/grants/${(await service.call('GET', `/v1/grants?workload=${workload.id}`)).body.items.find((item: { selector: { connection: string } }) => item.selector.connection === connection.id).id}`,
    { tags: { team: 'x' } },
  );
  const refused = await ask(token);
  t.match(
    refused,
    { status: 403, body: { code: 'sts_refused', hint: /sts:TagSession/ } },
    'switched on without the owner: refused, and the line to mend is named',
  );
});

t.test('keys rotate and no caller notices', async (t) => {
  const { service, connection, workload, grant, resource, ask } = await setUp(t);
  await grant(workload.id);
  const before = await workloadToken(service, workload, resource);
  t.match(await service.call('POST', '/v1/keys/platform/rotate', { now: true }), { status: 200 });
  t.match(await service.call('POST', `/v1/keys/${connection.issuer.id}/rotate`, { now: true }), { status: 200 });
  const after = await workloadToken(service, workload, resource);
  t.not(decodeProtectedHeader(after).kid, decodeProtectedHeader(before).kid);
  t.equal((await ask(before)).status, 200, 'a token of the key before');
  t.equal((await ask(after, '?duration_seconds=1800')).status, 200, 'a token of the new key, another session');
  const [second, first] = (await auditRows(service, `connection=${connection.id}&kind=exchange.intent`)) as unknown as [
    { details: { kid: string } },
    { details: { kid: string } },
  ];
  t.equal(second.details.kid, first.details.kid);
  t.match(await service.call('POST', '/v1/keys/platform/rotate', { now: true }), {
    status: 409,
    body: { code: 'standby_unseasoned', seasoned_at: String, hint: String },
  });
});

t.test('refusals, each with its code and its hint, each on record', async (t) => {
  const { sandbox, service, connection, workload, grant, resource, ask } = await setUp(t);
  await grant(workload.id, { max_session_seconds: 1800 });
  const token = await workloadToken(service, workload, resource);

  const stranger = await registerClient(service, { slug: 'stranger' });
  const everything = await workloadToken(service, stranger, `${service.config.issuerUrl}/v1/credentials`);
  const ungranted = await ask(everything);
  t.match(ungranted, { status: 404, body: { code: 'not_found', hint: /grant/, Code: 'not_found', Message: String } });
  const missing = await service.call('GET', `/v1/connections/cn_${'a'.repeat(26)}/credentials`, undefined, {
    token: everything,
  });
  t.same(
    { ...missing.body, request_id: '', Message: '', detail: missing.body.detail.replaceAll(/cn_[a-z2-7]{26}/g, 'X') },
    {
      ...ungranted.body,
      request_id: '',
      Message: '',
      detail: ungranted.body.detail.replaceAll(/cn_[a-z2-7]{26}/g, 'X'),
    },
    'not granted answers as not there',
  );

  const sibling = await connectAccount(service, sandbox, { account: '444455556666', body: { reference: 'sibling' } });
  t.match(await ask(await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`)), {
    status: 200,
  });
  const atSibling = await service.call('GET', `/v1/connections/${sibling.id}/credentials`, undefined, { token });
  t.match(
    atSibling,
    { status: 401, body: { code: 'invalid_token', hint: /resource=/ } },
    "a sibling connection's token",
  );
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: sibling.id } });
  t.match(
    await service.call('GET', '/v1/connections/sibling/credentials', undefined, { token }),
    { status: 401, body: { code: 'invalid_token' } },
    'by reference too',
  );
  const api = await service.call('GET', `/v1/connections/${connection.id}/credentials`);
  t.match(api, { status: 401, body: { code: 'invalid_token' } }, 'a token for the API');

  t.match(await ask(token, '?duration_seconds=3600'), { status: 403, body: { code: 'duration_exceeds_limit' } });
  t.match(await ask(token, '?duration_seconds=60'), { status: 400, body: { code: 'duration_out_of_range' } });
  t.match(await ask(token, '?purpose=deploy'), { status: 404 });
  t.match(await ask(token, '?purpose=Deploy'), { status: 400, body: { code: 'invalid_request' } });
  t.match(
    await ask(token, '?role_session_name=me'),
    { status: 400, body: { code: 'invalid_request' } },
    'nothing of a caller reaches the session name',
  );
  const widened = await service.call(
    'POST',
    `/v1/connections/${connection.id}/credentials`,
    { session_policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] } },
    { token },
  );
  t.match(widened, { status: 400, body: { code: 'session_policy_not_deny' } });
  const narrowed = await service.call(
    'POST',
    `/v1/connections/${connection.id}/credentials`,
    { session_policy: { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }] } },
    { token },
  );
  t.equal(narrowed.status, 200, JSON.stringify(narrowed.body));

  const iam = new IAMClient(ownerConfig(sandbox, connection.aws.account_id));
  const name = connection.issuer.url.replace(/^http:\/\//, '');
  await iam.send(
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
  t.match(await ask(token), { status: 200 }, 'what was fetched before lives, here as at AWS');
  const edited = await ask(token, '?duration_seconds=1200');
  t.match(edited, { status: 403, body: { code: 'sts_refused', aws_code: 'AccessDenied', hint: /sub/ } });
  t.match(edited.body.hint, connection.issuer.url);
  t.match(edited.body.hint, connection.subject);

  const refused = await auditRows(service, `kind=exchange.refused&workload=${workload.id}`);
  // The rest of a minute is a row of its own: of a code, there may be more than one.
  t.same(
    [...new Set(refused.map((row) => row.details['code']))].sort(),
    [
      'duration_exceeds_limit',
      'duration_out_of_range',
      'invalid_request',
      'invalid_token',
      'not_found',
      'session_policy_not_deny',
      'sts_refused',
    ].sort(),
  );
  const [outcome] = await auditRows(service, `kind=exchange.outcome&workload=${workload.id}`);
  t.match(outcome?.details, { outcome: 'refused', aws_code: 'AccessDenied', side: 'account_owner' });
});

t.test('without a durable record there is no answer, and STS is not asked', async (t) => {
  const { sandbox, service, workload, grant, resource, ask } = await setUp(t);
  await grant(workload.id);
  const token = await workloadToken(service, workload, resource);
  t.equal((await ask(token)).status, 200);
  const asked = () => sandbox.calls.filter((call) => call.action === 'AssumeRoleWithWebIdentity').length;
  const before = asked();
  const { sql } = await import('kysely');
  await sql`alter table audit add constraint nothing_more check (kind <> 'exchange.intent') not valid`.execute(
    service.database.db,
  );
  const anew = '?duration_seconds=1800';
  t.match(await ask(token, anew), { status: 503, body: { code: 'unavailable' } });
  t.equal(asked(), before, 'no intent, no exchange');
  await sql`alter table audit drop constraint nothing_more`.execute(service.database.db);
  await sql`alter table audit add constraint nothing_more check (kind <> 'exchange.outcome') not valid`.execute(
    service.database.db,
  );
  const dropped = await ask(token, anew);
  t.match(dropped, { status: 503, body: { code: 'unavailable' } });
  t.notOk(JSON.stringify(dropped.body).includes('ASIA'), 'no outcome, no credentials');
  await sql`alter table audit drop constraint nothing_more`.execute(service.database.db);
  await sql`alter table audit add constraint nothing_more check (kind <> 'credentials.handed_out') not valid`.execute(
    service.database.db,
  );
  for (const query of [anew, '']) {
    const unrecorded = await ask(token, query);
    t.match(unrecorded, { status: 503, body: { code: 'unavailable' } });
    t.notOk(
      JSON.stringify(unrecorded.body).includes('ASIA'),
      'no row of the hand-out, no credentials, fetched or kept',
    );
  }
  await sql`alter table audit drop constraint nothing_more`.execute(service.database.db);
  t.equal((await ask(token, anew)).status, 200);
});

t.test('a suspension between the question and STS drops the credentials', async (t) => {
  const { sandbox, service, workload, grant, resource, ask } = await setUp(t);
  await grant(workload.id);
  const token = await workloadToken(service, workload, resource);
  sandbox.faults.add({ action: 'AssumeRoleWithWebIdentity', kind: 'latency', latencyMs: 5000, times: 1 });
  const asked = ask(token);
  const pending = () =>
    service.database.db.selectFrom('audit').select('seq').where('kind', '=', 'exchange.intent').executeTakeFirst();
  while (!(await pending())) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal((await service.call('PATCH', `/v1/workloads/${workload.id}`, { state: 'suspended' })).status, 200);
  t.match(await asked, { status: 403, body: { code: 'workload_suspended' } });
  const [outcome] = await auditRows(service, `kind=exchange.outcome&workload=${workload.id}`);
  t.match(outcome?.details, { outcome: 'dropped', code: 'workload_suspended' });
});

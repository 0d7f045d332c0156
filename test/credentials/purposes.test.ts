// A grant for each purpose: what each session may do at AWS, how long it lasts, what a caller may take away, and what is refused before AWS is asked.
import { GetRoleCommand, IAMClient, ListRolesCommand, UpdateRoleCommand } from '@aws-sdk/client-iam';
import t from 'tap';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { scrape } from '../metrics/scrape.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

const statement = (Effect: 'Allow' | 'Deny', Action: string) => ({ Effect, Action, Resource: '*' });
const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });

t.test('each purpose has its own policies and ceiling, and a caller may only narrow', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const connection = await connectAccount(service, sandbox, { body: { reference: 'acme', session_tags: true } });
  const workload = await registerClient(service, { slug: 'billing' });
  const grant = async (members: object) => {
    const body = { workload: workload.id, selector: { connection: connection.id }, ...members };
    const { status, body: made } = await service.call('POST', '/v1/grants', body);
    t.equal(status, 201, JSON.stringify(made));
    return made;
  };
  t.notOk((await grant({})).warnings);
  const report = await grant({
    ...{ purpose: 'report', max_session_seconds: 900, tags: { team: 'billing' } },
    session_policy: policy(statement('Allow', 'iam:ListRoles')),
  });
  t.match(report.warnings, [{ code: 'short_ceiling' }], 'boto3 would fetch on every use');
  await grant({ purpose: 'audit', policy_arns: ['arn:aws:iam::aws:policy/IAMReadOnlyAccess'] });

  const token = await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`);
  const path = '/v1/connections/acme/credentials';
  const narrowed = (purpose: string, session_policy: object) =>
    service.call('POST', path, { purpose, session_policy }, { token });
  const get = (query: string) => service.call('GET', `${path}${query}`, undefined, { token });
  const may = async ({ status, body }: Awaited<ReturnType<typeof get>>) => {
    t.equal(status, 200, JSON.stringify(body));
    const credentials = {
      accessKeyId: body.AccessKeyId,
      secretAccessKey: body.SecretAccessKey,
      sessionToken: body.Token,
    };
    const iam = new IAMClient({ region: 'us-east-1', endpoint: sandbox.url, credentials, maxAttempts: 1 });
    const allowed = async (call: Promise<unknown>) =>
      await call.then(
        () => true,
        () => false,
      );
    const list = await allowed(iam.send(new ListRolesCommand({})));
    const role = { RoleName: connection.aws.role_name };
    const read = await allowed(iam.send(new GetRoleCommand(role)));
    const write = await allowed(iam.send(new UpdateRoleCommand(role)));
    return { list, read, write };
  };
  const noList = policy(statement('Deny', 'iam:ListRoles'));
  t.same(await may(await get('')), { list: true, read: true, write: true }, 'unnamed: the role');
  t.same(await may(await get('?purpose=report')), { list: true, read: false, write: false }, 'its session policy');
  t.same(await may(await get('?purpose=audit')), { list: true, read: true, write: false }, 'its managed policy');
  t.same(await may(await narrowed('default', noList)), { list: false, read: true, write: true });
  t.same(await may(await narrowed('report', noList)), { list: false, read: false, write: false });
  t.same(await may(await narrowed('audit', noList)), { list: false, read: true, write: false });
  t.same(await may(await get('')), { list: true, read: true, write: true }, 'nobody is given what another narrowed');

  const asked = sandbox.calls.length;
  const many = policy(...Array.from({ length: 60 }, (_, index) => statement('Deny', `iam:SomeLongAction${index}`)));
  const refusals: [Awaited<ReturnType<typeof get>>, object][] = [
    [await get('?purpose=report&duration_seconds=901'), { status: 403, body: { code: 'duration_exceeds_limit' } }],
    [await get('?purpose=nothing'), { status: 404, body: { code: 'not_found' } }],
    [
      await narrowed('report', policy(statement('Allow', '*'))),
      { status: 400, body: { code: 'session_policy_not_deny' } },
    ],
    [await narrowed('default', many), { status: 400, body: { code: 'session_policy_too_large', limit: 2048 } }],
  ];
  for (const [answer, wanted] of refusals) t.match(answer, wanted);
  t.equal(sandbox.calls.length, asked, 'AWS is not asked for any of them');

  sandbox.faults.add({ kind: 'error', status: 400, code: 'PackedPolicyTooLarge', times: 1 });
  t.match(await narrowed('audit', policy(statement('Deny', 's3:*'))), {
    ...{ status: 400, body: { code: 'session_policy_too_large', aws_code: 'PackedPolicyTooLarge', hint: /fewer/ } },
  });
  sandbox.faults.add({ kind: 'error', status: 400, code: 'MalformedPolicyDocument', times: 1 });
  t.match(await narrowed('audit', policy(statement('Deny', 'ec2:*'))), {
    ...{ status: 400, body: { code: 'invalid_session_policy', aws_code: 'MalformedPolicyDocument', hint: /leave/ } },
  });
  sandbox.faults.add({ kind: 'error', status: 400, code: 'PackedPolicyTooLarge', times: 1 });
  t.match(await get('?purpose=audit&duration_seconds=1000'), {
    ...{ status: 502, body: { code: 'sts_misconfigured', hint: /shorten the grant's/ } },
  });
  const { samples } = await scrape(service.url);
  t.equal(samples.get('countersign_exchanges_total{outcome="caller"}'), 2);
  t.equal(samples.get('countersign_exchanges_total{outcome="ours"}'), 1, 'the last alone is for operators');

  // What is asked for in other words is the same session.
  const key = ({ status, body }: Awaited<ReturnType<typeof get>>) => (status === 200 ? body.AccessKeyId : status);
  const exchanges = async () =>
    (await service.call('GET', '/v1/audit?kind=exchange.intent&limit=100')).body.items.length;
  const [whole, part] = [key(await get('')), key(await narrowed('default', noList))];
  const before = await exchanges();
  t.equal(key(await get('?duration_seconds=3600')), whole, 'as long as unasked');
  t.equal(key(await service.call('POST', path, { duration_seconds: 3600 }, { token })), whole, 'by POST');
  t.equal(key(await service.call('POST', path, undefined, { token })), whole);
  const turned = { Statement: [{ Resource: '*', Action: 'iam:ListRoles', Effect: 'Deny' }], Version: '2012-10-17' };
  t.equal(key(await narrowed('default', turned)), part, 'a policy whose members stand in another order');
  t.equal(await exchanges(), before, 'no exchange for any of them');
});

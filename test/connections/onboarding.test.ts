// The template, the link and verify: what they answer, and that each of them starts the verification of a pending connection.
import t from 'tap';
import { parse } from 'yaml';
import { createId } from '../../src/ids.ts';
import { buildTemplate } from '../../src/connections/template.ts';
import { ACCOUNT, ISSUER_URL, NEW, openApi, refused } from './api.ts';

const templateUrl = 'https://bucket.s3.eu-west-1.amazonaws.com/countersign/template-1.yaml';

t.test('the link fills in every parameter of the published template', async (t) => {
  const api = await openApi(t, { templateUrl });
  const { id, issuer, aws } = await api.create({
    ...{ reference: 'acme', max_session_seconds: 7200, session_tags: true },
    aws: { ...NEW.aws, region: 'eu-west-1', role_name: 'a+b=c,d.e@f', additions: ['s3', 'sns'] },
  });
  const { status, body } = await api.call('GET', '/v1/connections/acme/link');
  t.equal(status, 200);
  const stackName = `countersign-${id.slice(3, 13)}`;
  t.match(body, { stack_name: stackName, template_url: templateUrl });
  const [page, fragment = ''] = body.url.split('#');
  t.equal(page, 'https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1');
  const [path, query] = fragment.split('?');
  t.equal(path, '/stacks/create/review');
  const given = Object.fromEntries(new URLSearchParams(query.replaceAll('+', '%2B')));
  const { templateURL, stackName: named, ...parameters } = given;
  t.same([templateURL, named], [templateUrl, stackName]);
  t.same(parameters, {
    ...{
      param_IssuerId: issuer.id,
      param_ConnectionId: id,
      param_RoleName: aws.role_name,
      param_PermissionSet: 'core',
    },
    ...{ param_S3: 'true', param_RDS: 'false', param_ElastiCache: 'false', param_SNS: 'true', param_SQS: 'false' },
    ...{ param_MaxSessionDuration: '7200', param_SessionTags: 'true', param_SourceIdentity: 'false' },
  });
  t.same(
    Object.keys(parameters)
      .map((name) => name.slice(6))
      .sort(),
    Object.keys(buildTemplate(ISSUER_URL).Parameters ?? {}).sort(),
  );
});

t.test("the console is the partition's own", async (t) => {
  const api = await openApi(t, { templateUrl });
  const hosts = {
    'aws-cn': 'cn-north-1.console.amazonaws.cn',
    'aws-us-gov': 'us-gov-west-1.console.amazonaws-us-gov.com',
    'aws-eusc': 'eusc-de-east-1.console.amazonaws-eusc.eu',
  };
  for (const [partition, host] of Object.entries(hosts)) {
    const { id } = await api.create({ aws: { ...NEW.aws, partition } });
    t.equal(new URL((await api.call('GET', `/v1/connections/${id}/link`)).body.url).host, host);
  }
});

t.test('no link without a published template, nor for a custom policy', async (t) => {
  const api = await openApi(t);
  const { id } = await api.create();
  const before = await api.snapshot();
  refused(t, await api.call('GET', `/v1/connections/${id}/link`), 409, 'template_url_missing');
  t.equal(await api.snapshot(), before, 'and nothing is waited for');
  const other = await openApi(t, { templateUrl });
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
  const custom = await other.create({ aws: { account_id: ACCOUNT, permission_set: 'custom', custom_policy: policy } });
  refused(t, await other.call('GET', `/v1/connections/${custom.id}/link`), 409, 'custom_policy_unpublished');
  t.equal((await other.call('GET', `/v1/connections/${custom.id}`)).body.state, 'pending');
  const { body } = await other.call('GET', `/v1/connections/${custom.id}/template?format=json`);
  t.same(body.Resources.Role.Properties.Policies, [{ PolicyName: 'Custom', PolicyDocument: policy }]);
});

t.test('the templates come as YAML or JSON', async (t) => {
  const api = await openApi(t);
  const { id, issuer, aws } = await api.create();
  for (const path of ['/v1/template', `/v1/connections/${id}/template`]) {
    const yaml = await api.call('GET', path);
    t.match([yaml.status, yaml.headers['content-type']], [200, /^application\/yaml/]);
    const json = await api.call('GET', `${path}?format=json`);
    t.match([json.status, json.headers['content-type']], [200, /^application\/json/]);
    t.same(parse(yaml.text, { version: '1.1' }), json.body);
    refused(t, await api.call('GET', `${path}?format=xml`), 400, 'invalid_request');
  }
  const { body } = await api.call('GET', `/v1/connections/${id}/template?format=json`);
  t.match(body.Resources, {
    Provider: { Properties: { Url: issuer.url } },
    Role: { Properties: { RoleName: aws.role_name } },
  });
  t.equal(body.Parameters, undefined, 'nothing to fill in');
  t.same((await api.call('GET', '/v1/template?format=json')).body, buildTemplate(ISSUER_URL));
});

t.test('each of them starts the verification of a pending connection, once on record', async (t) => {
  const api = await openApi(t, { templateUrl });
  for (const [method, by, expected] of [
    ['GET', 'link', 200],
    ['GET', 'template', 200],
    ['POST', 'verify', 202],
  ] as const) {
    const { id } = await api.create();
    const epoch = await api.epoch();
    const woken = api.woken();
    t.equal((await api.call(method, `/v1/connections/${id}/${by}`)).status, expected);
    const { body } = await api.call('GET', `/v1/connections/${id}`);
    t.match(
      body,
      {
        state: 'verifying',
        generation: 2,
        verification: { attempts: 0, last_code: null, started_at: /Z$/, next_at: /Z$/ },
      },
      by,
    );
    t.ok((await api.epoch()) > epoch);
    t.equal(api.woken(), woken + 1, 'and the verifier is woken');
    const after = await api.epoch();
    await api.call('GET', `/v1/connections/${id}/template`);
    t.match(
      [await api.epoch(), await api.records('connection.verification_requested')].flat().slice(0, 1),
      [after],
      'asking again is no change',
    );
    const records = (await api.records('connection.verification_requested')).filter(
      ({ connection }) => connection === id,
    );
    t.match(records, [{ details: { by } }]);
    t.equal(records.length, 1);
  }
  for (const path of ['link', 'template'])
    refused(t, await api.call('GET', `/v1/connections/${createId('cn')}/${path}`), 404, 'not_found');
  refused(t, await api.call('POST', `/v1/connections/${createId('cn')}/verify`), 404, 'not_found');
});

t.test('asking again begins the schedule anew', async (t) => {
  const api = await openApi(t, { templateUrl });
  const { id } = await api.create();
  await api.call('GET', `/v1/connections/${id}/link`);
  const late = new Date(Date.now() + 3_600_000);
  await api.database.db
    .updateTable('verifications')
    .set({ next_at: late, attempts: 40, started_at: new Date(0) })
    .execute();
  await api.call('GET', `/v1/connections/${id}/link`);
  const { verification } = (await api.call('GET', `/v1/connections/${id}`)).body;
  t.equal(verification.attempts, 0);
  t.ok(Date.parse(verification.next_at) < Date.now() + 60_000, 'soon again');
  t.ok(Date.parse(verification.started_at) > 0);
});

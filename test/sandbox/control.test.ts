// The sandbox's own API and its faults: what a test or a demo in another process may switch.
import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { request } from 'node:http';
import t from 'tap';
import { ACCOUNT, clients, createWorld, refusal, trustPolicy } from './world.ts';

async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { hostname, port } = new URL(url);
  const text = body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const asked = request(
      { hostname, port, method, path, agent: false, headers: { ...type, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(text);
  });
}

t.test('it says what it is', async (t) => {
  const { sandbox } = await createWorld(t);
  t.match(await ask(sandbox.url, 'GET', '/'), { status: 200, body: { name: 'Countersign sandbox' } });
});

t.test("accounts: the owner's credentials, the same every time, and they work", async (t) => {
  const { sandbox } = await createWorld(t);
  const { status, body } = await ask(sandbox.url, 'POST', '/_sandbox/accounts', { account_id: '555555555555' });
  t.equal(status, 200);
  t.same((await ask(sandbox.url, 'POST', '/_sandbox/accounts', { account_id: '555555555555' })).body, body);
  const credentials = {
    accessKeyId: String(body['access_key_id']),
    secretAccessKey: String(body['secret_access_key']),
  };
  t.match(await clients(sandbox.url, credentials).sts.send(new GetCallerIdentityCommand({})), {
    Account: '555555555555',
  });
});

t.test('options can be read and set while it runs', async (t) => {
  const { sandbox } = await createWorld(t);
  t.same((await ask(sandbox.url, 'GET', '/_sandbox/options')).body, {
    jwks_cache_seconds: 86400,
    consistency_delay_ms: 0,
  });
  t.same((await ask(sandbox.url, 'PUT', '/_sandbox/options', { jwks_cache_seconds: 5 })).body, {
    jwks_cache_seconds: 5,
    consistency_delay_ms: 0,
  });
  t.same(sandbox.options, { jwksCacheSeconds: 5, consistencyDelayMs: 0 });
});

t.test('only loopback, by a loopback name, and no page', async (t) => {
  const { sandbox } = await createWorld(t);
  const accounts = (headers: Record<string, string>) =>
    ask(sandbox.url, 'POST', '/_sandbox/accounts', { account_id: '555555555555' }, headers);
  t.match(await accounts({ host: 'evil.example' }), { status: 421 });
  t.match(await accounts({ host: 'localhost.evil.example:80' }), { status: 421 });
  t.match(await accounts({ origin: 'http://localhost:3000' }), { status: 403 });
  t.match(await accounts({ 'content-type': 'text/plain' }), { status: 415 });
  t.match(await accounts({ host: 'localhost:1' }), { status: 200 });
});

t.test('bad input is named, and changes nothing', async (t) => {
  const { sandbox } = await createWorld(t);
  const table: [string, string, unknown, number][] = [
    ['POST', '/_sandbox/accounts', { account_id: '1' }, 400],
    ['POST', '/_sandbox/accounts', { account: '1' }, 400],
    ['POST', '/_sandbox/accounts', [], 400],
    ['PUT', '/_sandbox/options', { jwks_cache_seconds: '5' }, 400],
    ['PUT', '/_sandbox/options', { jwks_cache_seconds: -5 }, 400],
    ['POST', '/_sandbox/faults', { kind: 'explode' }, 400],
    ['POST', '/_sandbox/faults', { kind: 'error', status: 'x' }, 400],
    ['GET', '/_sandbox/nothing', undefined, 404],
    ['DELETE', '/_sandbox/options', undefined, 404],
  ];
  for (const [method, path, body, status] of table)
    t.match(
      await ask(sandbox.url, method, path, body),
      { status, body: { error: String } },
      `${method} ${path} ${JSON.stringify(body)}`,
    );
  t.same(sandbox.options, { jwksCacheSeconds: 86400, consistencyDelayMs: 0 });
});

t.test('calls are remembered, with their outcome', async (t) => {
  const { sandbox, assume, trust, issuer } = await createWorld(t);
  const answer = await assume();
  await trust(trustPolicy(issuer, { effect: 'Deny' }));
  await refusal(assume());
  const { body } = await ask(sandbox.url, 'GET', '/_sandbox/calls');
  const calls = body['calls'] as Record<string, unknown>[];
  t.same(
    calls.map((call) => [call['action'], call['outcome']]),
    [
      ['CreateOpenIDConnectProvider', 'ok'],
      ['CreateRole', 'ok'],
      ['AssumeRoleWithWebIdentity', 'ok'],
      ['UpdateAssumeRolePolicy', 'ok'],
      ['AssumeRoleWithWebIdentity', 'AccessDenied'],
    ],
  );
  t.match(calls[2], { account_id: ACCOUNT, request_id: answer.$metadata.requestId, at: /^\d{4}-.*Z$/ });
  t.equal(sandbox.calls.length, 5);
});

t.test('faults: throttling, errors by status and code, for some calls or all', async (t) => {
  const { sandbox, assume, sts } = await createWorld(t);
  sandbox.faults.add({ kind: 'throttle', action: 'AssumeRoleWithWebIdentity', times: 1 });
  t.match(await sts.send(new GetCallerIdentityCommand({})), { Account: ACCOUNT }, 'another action');
  t.same(await refusal(assume()), { code: 'Throttling', status: 400, message: 'Rate exceeded' });
  t.match(await assume(), { Audience: 'sts.amazonaws.com' }, 'once only');
  for (const [status, code] of [
    [500, 'InternalFailure'],
    [503, 'ServiceUnavailable'],
  ] as const) {
    sandbox.faults.add({ kind: 'error', status, times: 1 });
    t.match(await refusal(assume()), { status, code });
  }
  for (const [status, code] of [
    [400, 'IDPCommunicationError'],
    [403, 'IDPRejectedClaim'],
    [403, 'RegionDisabledException'],
  ] as const) {
    sandbox.faults.add({ kind: 'error', status, code, times: 1 });
    t.match(await refusal(assume()), { status, code });
  }
  sandbox.faults.add({ kind: 'throttle', accountId: '999988887777' });
  t.match(await assume(), { Audience: 'sts.amazonaws.com' }, "another account's");
  sandbox.faults.add({ kind: 'throttle', accountId: ACCOUNT });
  t.match(await refusal(assume()), { code: 'Throttling' }, 'its own');
  t.match(await ask(sandbox.url, 'GET', '/_sandbox/faults'), { body: { faults: [{}, { account_id: ACCOUNT }] } });
  sandbox.faults.clear();
  t.same(await ask(sandbox.url, 'POST', '/_sandbox/faults', { kind: 'latency', latency_ms: 1 }), {
    status: 200,
    body: { faults: [{ kind: 'latency', latency_ms: 1 }] },
  });
  t.match(await assume(), { Audience: 'sts.amazonaws.com' }, 'later, but as usual');
  t.same(await ask(sandbox.url, 'DELETE', '/_sandbox/faults'), { status: 200, body: { faults: [] } });
  t.same((await ask(sandbox.url, 'GET', '/_sandbox/faults')).body, { faults: [] });
});

t.test('faults: latency waits', async (t) => {
  const { sandbox, assume } = await createWorld(t);
  sandbox.faults.add({ kind: 'latency', latencyMs: 300 });
  const from = performance.now();
  await assume();
  t.ok(performance.now() - from >= 290);
});

t.test('faults: reset, half an answer, and far too much of one', async (t) => {
  const { sandbox, assume, token } = await createWorld(t);
  sandbox.faults.add({ kind: 'reset', times: 1 });
  await t.rejects(assume(), { code: 'ECONNRESET' });
  sandbox.faults.add({ kind: 'half', times: 1 });
  t.not((await refusal(assume())).code, 'none');
  t.equal(sandbox.calls.at(-1)?.outcome, 'ok', 'the call was done all the same');
  sandbox.faults.add({ kind: 'oversize', times: 1 });
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: `arn:aws:iam::${ACCOUNT}:role/countersign`,
    RoleSessionName: 'ab',
    WebIdentityToken: await token(),
  });
  const answer = await fetch(sandbox.url, { method: 'POST', body });
  t.ok((await answer.text()).length > 8_000_000);
});

t.test('what is no call of AWS is refused in XML', async (t) => {
  const { sandbox, cfn } = await createWorld(t);
  const post = async (
    body: string,
    headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' },
  ) => {
    const response = await fetch(sandbox.url, { method: 'POST', body, headers });
    return {
      status: response.status,
      id: response.headers.get('x-amzn-requestid'),
      code: /<Code>(.*)<\/Code>/.exec(await response.text())?.[1],
    };
  };
  t.match(await post('Action=Nothing&Version=2011-06-15'), {
    status: 400,
    code: 'InvalidAction',
    id: /^[0-9a-f-]{36}$/,
  });
  t.match(await post('Action=constructor&Version=2011-06-15'), { status: 400, code: 'InvalidAction' });
  t.match(await post('Action=GetCallerIdentity'), { status: 400, code: 'InvalidAction' }, 'no version');
  t.match(await post('Action=A&Action=B'), { status: 400, code: 'MalformedQueryString' });
  t.match(await post('{}', { 'content-type': 'application/json' }), { status: 400, code: 'InvalidContentType' });
  t.match(await post('x'.repeat(1024 * 1024 + 1)), { status: 413 });
  t.same((await cfn.send(new DescribeStacksCommand({}))).Stacks, [], 'and it goes on');
});

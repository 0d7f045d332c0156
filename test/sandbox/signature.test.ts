// Signature Version 4 as the server checks it: who signed, when, with what, and for which service.
import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CreateOpenIDConnectProviderCommand, CreateRoleCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { createHash, createHmac } from 'node:crypto';
import t from 'tap';
import type { Credentials, TestWorld } from './world.ts';
import { ACCOUNT, clients, createWorld, refusal, sessionClients, trustPolicy } from './world.ts';

async function sessionCredentials({ assume }: TestWorld): Promise<Required<Credentials>> {
  const { Credentials: given } = await assume();
  return {
    accessKeyId: given?.AccessKeyId ?? '',
    secretAccessKey: given?.SecretAccessKey ?? '',
    sessionToken: given?.SessionToken ?? '',
  };
}

/** A signature made by hand, so that each part of the request can be changed after signing. */
function signed(
  url: string,
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  at: number,
  changes: { service?: string; body?: string; signedHeaders?: string[]; query?: string } = {},
) {
  const { host } = new URL(url);
  const body = changes.body ?? 'Action=GetCallerIdentity&Version=2011-06-15';
  const date = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    host,
    'x-amz-date': date,
    ...(sessionToken && { 'x-amz-security-token': sessionToken }),
  };
  const names = changes.signedHeaders ?? Object.keys(headers);
  const scope = `${date.slice(0, 8)}/eu-west-1/${changes.service ?? 'sts'}/aws4_request`;
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();
  const canonical = [
    'POST',
    '/',
    changes.query ?? '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    sha(body),
  ].join('\n');
  const key = scope.split('/').reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha(canonical)].join('\n')).toString('hex');
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { headers, body };
}

async function send(url: string, { headers, body }: { headers: Record<string, string>; body: string }, query = '') {
  const { host: _, ...rest } = headers;
  const response = await fetch(`${url}/${query && `?${query}`}`, { method: 'POST', headers: rest, body });
  const text = await response.text();
  return {
    status: response.status,
    code: /<Code>(.*)<\/Code>/.exec(text)?.[1],
    message: /<Message>(.*)<\/Message>/.exec(text)?.[1],
  };
}

const MISMATCH = { status: 403, code: 'SignatureDoesNotMatch' };

t.test("the owner's keys and the session's are known by their signature", async (t) => {
  const world = await createWorld(t);
  t.match(await world.sts.send(new GetCallerIdentityCommand({})), {
    Arn: `arn:aws:iam::${ACCOUNT}:root`,
    UserId: ACCOUNT,
  });
  const session = await sessionCredentials(world);
  t.match(await clients(world.sandbox.url, session).sts.send(new GetCallerIdentityCommand({})), { Account: ACCOUNT });
  t.match(
    await send(world.sandbox.url, signed(world.sandbox.url, session, world.clock.now)),
    { status: 200 },
    'by hand as well',
  );
});

t.test('a wrong secret, unknown keys, and tokens that do not belong', async (t) => {
  const world = await createWorld(t);
  const { url } = world.sandbox;
  const owner = world.sandbox.account(ACCOUNT);
  const [one, two] = [await sessionCredentials(world), await sessionCredentials(world)];
  const ask = (credentials: Credentials) =>
    refusal(clients(url, credentials).sts.send(new GetCallerIdentityCommand({})));
  t.match(await ask({ ...owner, secretAccessKey: 'x' }), {
    code: 'SignatureDoesNotMatch',
    status: 403,
    message: /^The request signature we calculated does not match/,
  });
  t.match(await ask({ ...one, secretAccessKey: two.secretAccessKey }), { code: 'SignatureDoesNotMatch' });
  const invalid = {
    code: 'InvalidClientTokenId',
    status: 403,
    message: 'The security token included in the request is invalid.',
  };
  t.same(await ask({ accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'x' }), invalid);
  t.same(await ask({ ...one, sessionToken: two.sessionToken }), invalid, "another session's token");
  t.same(await ask({ accessKeyId: one.accessKeyId, secretAccessKey: one.secretAccessKey }), invalid, 'no token');
  t.same(await ask({ ...owner, sessionToken: one.sessionToken }), invalid, 'a token with static keys');
});

t.test('nothing of the request may change after signing', async (t) => {
  const { sandbox, clock } = await createWorld(t);
  const { url } = sandbox;
  const request = () => signed(url, sandbox.account(ACCOUNT), clock.now);
  t.match(await send(url, request()), { status: 200 });
  t.match(await send(url, { ...request(), body: 'Action=GetCallerIdentity&Version=2011-06-15&X=1' }), MISMATCH, 'body');
  t.match(await send(url, request(), 'X=1'), MISMATCH, 'query');
  const { headers, body } = request();
  t.match(
    await send(url, {
      body,
      headers: {
        ...headers,
        'x-amz-date': headers['x-amz-date']?.replace(/.Z$/, (s) => (s === '0Z' ? '1Z' : '0Z')) ?? '',
      },
    }),
    MISMATCH,
    'date',
  );
  t.match(
    await send(url, { body, headers: { ...headers, 'x-amz-target': 'other' } }),
    MISMATCH,
    'an x-amz- header that was not signed',
  );
  t.match(
    await send(
      url,
      signed(url, sandbox.account(ACCOUNT), clock.now, { signedHeaders: ['content-type', 'x-amz-date'] }),
    ),
    MISMATCH,
    'host not signed',
  );
  t.match(
    await send(url, signed(url, sandbox.account(ACCOUNT), clock.now, { query: 'b=2&a=1' }), 'b=2&a=1'),
    MISMATCH,
    'query not in canonical order',
  );
  t.match(
    await send(url, signed(url, sandbox.account(ACCOUNT), clock.now, { query: 'a=1&b=2' }), 'b=2&a=1'),
    { status: 200 },
    'canonical order',
  );
});

t.test('a signature is good for 15 minutes either way', async (t) => {
  const { sandbox, clock, cfn } = await createWorld(t, { clockAt: Math.floor(Date.now() / 1000) * 1000 });
  const at = (minutes: number) =>
    send(sandbox.url, signed(sandbox.url, sandbox.account(ACCOUNT), clock.now + minutes * 60_000));
  t.match(await at(-15), { status: 200 });
  t.match(await at(15), { status: 200 });
  t.match(await at(-15.1), {
    ...MISMATCH,
    message: /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)$/,
  });
  t.match(await at(15.1), { ...MISMATCH, message: /^Signature not yet current: / });
  clock.now += 20 * 60_000;
  t.match(await refusal(cfn.send(new DescribeStacksCommand({}))), { code: 'RequestExpired', status: 400 });
});

t.test('the scope must name the service', async (t) => {
  const { sandbox, clock } = await createWorld(t);
  const wrong = signed(sandbox.url, sandbox.account(ACCOUNT), clock.now, { service: 'iam' });
  t.match(await send(sandbox.url, wrong), {
    ...MISMATCH,
    message: 'Credential should be scoped to correct service: &#39;sts&#39;. ',
  });
});

t.test('no signature, half a signature, another algorithm', async (t) => {
  const { sandbox, clock } = await createWorld(t);
  const { headers, body } = signed(sandbox.url, sandbox.account(ACCOUNT), clock.now);
  const { authorization = '', ...without } = headers;
  t.match(await send(sandbox.url, { headers: without, body }), {
    status: 403,
    code: 'MissingAuthenticationToken',
    message: 'Request is missing Authentication Token',
  });
  for (const broken of [
    authorization.replace('HMAC-SHA256', 'HMAC-MD5'),
    authorization.replace(/, Signature=.*/, ''),
    authorization.replace('/aws4_request', ''),
    'Bearer x',
  ]) {
    t.match(
      await send(sandbox.url, { headers: { ...without, authorization: broken }, body }),
      { status: 400, code: 'IncompleteSignature' },
      broken.slice(0, 20),
    );
  }
});

t.test('an expired session is ExpiredToken everywhere, to the second', async (t) => {
  const world = await createWorld(t, { clockAt: Math.floor(Date.now() / 1000) * 1000 });
  const session = await sessionCredentials(world);
  const { url } = world.sandbox;
  const ask = (changes = {}) => send(url, signed(url, session, world.clock.now, changes));
  world.clock.now += 3_599_999;
  t.match(await ask(), { status: 200 });
  world.clock.now += 1;
  const expired = {
    status: 403,
    code: 'ExpiredToken',
    message: 'The security token included in the request is expired',
  };
  t.same(await ask(), expired);
  t.same(await ask({ service: 'iam', body: 'Action=ListRoles&Version=2010-05-08' }), expired);
  t.same(await ask({ service: 'cloudformation', body: 'Action=DescribeStacks&Version=2010-05-15' }), expired);
});

t.test('partitions: the region decides, and a session stays in its own', async (t) => {
  const { sandbox, issuer, assume } = await createWorld(t);
  for (const [region, partition, account] of [
    ['cn-north-1', 'aws-cn', '100000000001'],
    ['us-gov-west-1', 'aws-us-gov', '100000000002'],
    ['eu-west-3', 'aws', '100000000003'],
  ] as const) {
    const { sts, iam } = clients(sandbox.url, sandbox.account(account), region);
    t.match(await sts.send(new GetCallerIdentityCommand({})), { Arn: `arn:${partition}:iam::${account}:root` });
    const create = new CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com'] });
    const { OpenIDConnectProviderArn: arn } = await iam.send(create);
    t.equal(arn, `arn:${partition}:iam::${account}:oidc-provider/${issuer.hostAndPath}`);
    const AssumeRolePolicyDocument = trustPolicy(issuer, { principal: { Federated: arn } });
    const { Role } = await iam.send(new CreateRoleCommand({ RoleName: 'there', AssumeRolePolicyDocument }));
    t.equal(Role?.Arn, `arn:${partition}:iam::${account}:role/there`);
    const answer = await assume({ RoleArn: `arn:${partition}:iam::${account}:role/there` });
    const { Arn } = await sessionClients(sandbox, answer, region).sts.send(new GetCallerIdentityCommand({}));
    t.equal(Arn, `arn:${partition}:sts::${account}:assumed-role/there/session`);
    const elsewhere = sessionClients(sandbox, answer, partition === 'aws' ? 'cn-north-1' : 'us-east-1');
    t.match(await refusal(elsewhere.sts.send(new GetCallerIdentityCommand({}))), { code: 'InvalidClientTokenId' });
    t.match(await refusal(assume({ RoleArn: `arn:aws-x:iam::${account}:role/there` })), { code: 'AccessDenied' });
  }
});

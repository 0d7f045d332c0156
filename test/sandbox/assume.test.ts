// "AssumeRoleWithWebIdentity", line by line: limits, errors, consistency, session policies.
import {
  CreateRoleCommand,
  RemoveClientIDFromOpenIDConnectProviderCommand,
  UpdateRoleCommand,
} from '@aws-sdk/client-iam';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { ACCOUNT, allow, createWorld, DENIED, OK, policy, refusal, ROLE_ARN, trustPolicy } from './world.ts';

t.test('it is an unsigned call', async (t) => {
  const { sandbox, token } = await createWorld(t);
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: ROLE_ARN,
    RoleSessionName: 'plain',
    WebIdentityToken: await token(),
  });
  const response = await fetch(sandbox.url, { method: 'POST', body });
  t.equal(response.status, 200);
  t.match(
    await response.text(),
    /^<AssumeRoleWithWebIdentityResponse xmlns="https:\/\/sts.amazonaws.com\/doc\/2011-06-15\/">/,
  );
});

t.test('RoleSessionName is 2 to 64 of its characters', async (t) => {
  const { assume } = await createWorld(t);
  for (const name of ['ab', 'a'.repeat(64), 'A_+=,.@-9']) t.match(await assume({ RoleSessionName: name }), OK, name);
  for (const [name, message] of [
    ['a', /greater than or equal to 2/],
    ['a'.repeat(65), /less than or equal to 64/],
    ['a b', /regular expression pattern: \[\\w\+=,\.@-\]\*/],
    ['a/b', /pattern/],
  ] as const) {
    t.match(await refusal(assume({ RoleSessionName: name })), { code: 'ValidationError', status: 400, message }, name);
  }
});

t.test("DurationSeconds is 900 to 43 200, 3600 if not given, at most the role's MaxSessionDuration", async (t) => {
  const { assume, clock, iam } = await createWorld(t);
  const lasts = async (DurationSeconds?: number) => {
    const { Credentials } = await assume(DurationSeconds === undefined ? {} : { DurationSeconds });
    return (Credentials?.Expiration?.getTime() ?? 0) / 1000 - Math.floor(clock.now / 1000);
  };
  t.equal(await lasts(), 3600);
  t.equal(await lasts(900), 900);
  for (const seconds of [899, 43201])
    t.match(await refusal(lasts(seconds)), { code: 'ValidationError', status: 400 }, String(seconds));
  t.same(await refusal(lasts(3601)), {
    code: 'ValidationError',
    status: 400,
    message: 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
  });
  await iam.send(new UpdateRoleCommand({ RoleName: 'countersign', MaxSessionDuration: 43200 }));
  t.equal(await lasts(43200), 43200);
  t.equal(await lasts(), 3600, 'the default stays');
});

t.test('a policy of at most 2048 characters and 10 PolicyArns', async (t) => {
  const { assume } = await createWorld(t);
  const Policy = (length: number) => policy(allow('s3:*')).padEnd(length, ' ');
  t.match(await assume({ Policy: Policy(2048) }), OK);
  t.match(await refusal(assume({ Policy: Policy(2049) })), {
    code: 'ValidationError',
    status: 400,
    message: /'policy'.*less than or equal to 2048/,
  });
  const PolicyArns = [{ arn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' }];
  t.match(await assume({ Policy: Policy(2010), PolicyArns }), OK, 'together with the ARNs');
  t.match(await refusal(assume({ Policy: Policy(2011), PolicyArns })), { code: 'PackedPolicyTooLarge', status: 400 });
  const arns = (count: number) =>
    Array.from({ length: count }, () => ({ arn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' }));
  t.match(await assume({ PolicyArns: arns(10) }), OK);
  t.match(await refusal(assume({ PolicyArns: arns(11) })), { code: 'ValidationError', status: 400 });
  t.match(await refusal(assume({ PolicyArns: [{ arn: 'arn:aws:iam::aws:policy/NoSuchPolicy' }] })), {
    code: 'MalformedPolicyDocument',
    status: 400,
  });
  t.match(await refusal(assume({ Policy: '{"Statement":' })), { code: 'MalformedPolicyDocument', status: 400 });
});

t.test("AccessDenied does not tell apart: the trust policy, no such role, another account's provider", async (t) => {
  const { assume, trust, issuer } = await createWorld(t);
  t.same(await refusal(assume({ RoleArn: `${ROLE_ARN}x` })), DENIED, 'no such role');
  t.same(await refusal(assume({ RoleArn: ROLE_ARN.replace('role/', 'role/path/') })), DENIED, 'another path');
  for (const [what, changes] of Object.entries({
    subject: { condition: { StringEquals: { [`${issuer.hostAndPath}:sub`]: 'cn_other' } } },
    audience: { condition: { StringEquals: { [`${issuer.hostAndPath}:aud`]: 'other' } } },
    "another issuer's key": { condition: { StringEquals: { [`${issuer.hostAndPath}x:sub`]: 'cn_test' } } },
    provider: { principal: { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/other.example.com` } },
    action: { action: 'sts:AssumeRole' },
    'explicit deny': { effect: 'Deny' },
    'session name': { condition: { StringLike: { 'sts:RoleSessionName': 'other-*' } } },
  })) {
    await trust(trustPolicy(issuer, changes));
    t.same(await refusal(assume()), DENIED, what);
  }
  t.match(await refusal(assume({ RoleArn: ROLE_ARN.replace(ACCOUNT, '999999999999') })), {
    code: 'InvalidIdentityToken',
    message: /^No OpenIDConnect provider found in your account for /,
  });
  t.match(await refusal(assume({ RoleArn: 'arn:aws:iam::1:role/countersign' })), { code: 'ValidationError' });
});

t.test('AccessDenied for a while after provider and role are created', async (t) => {
  const world = await createWorld(t, { consistencyDelayMs: 9000 });
  t.same(await refusal(world.assume()), DENIED);
  world.clock.now += 8999;
  t.same(await refusal(world.assume()), DENIED);
  world.clock.now += 1;
  t.match(await world.assume(), OK);
  await world.iam.send(
    new CreateRoleCommand({ RoleName: 'later', AssumeRolePolicyDocument: trustPolicy(world.issuer) }),
  );
  t.same(
    await refusal(world.assume({ RoleArn: ROLE_ARN.replace('countersign', 'later') })),
    DENIED,
    'a new role waits by itself',
  );
  t.match(await world.assume(), OK);
});

t.test(
  'a packed size of about 25 % for a bare token, more with policies, and PackedPolicyTooLarge in the end',
  async (t) => {
    const { assume, token, trust, issuer } = await createWorld(t);
    t.equal((await assume()).PackedPolicySize, 25);
    t.ok(((await assume({ Policy: policy(allow('s3:GetObject')) })).PackedPolicySize ?? 0) > 25);
    await trust(trustPolicy(issuer, { action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'] }));
    const principal_tags = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`k${n}`, [randomBytes(60).toString('hex')]]),
    );
    t.match(
      await refusal(assume({ WebIdentityToken: await token({ 'https://aws.amazon.com/tags': { principal_tags } }) })),
      {
        code: 'PackedPolicyTooLarge',
        status: 400,
        message: /^Packed size of session tags consumes \d+% of allotted space\.$/,
      },
    );
  },
);

t.test("a wrong audience already fails at the provider's client list, however loose the trust", async (t) => {
  const { assume, token, trust, issuer, iam } = await createWorld(t);
  await trust(trustPolicy(issuer, { condition: { StringLike: { [`${issuer.hostAndPath}:aud`]: '*' } } }));
  const wrong = { code: 'InvalidIdentityToken', status: 400, message: 'Incorrect token audience' };
  t.same(await refusal(assume({ WebIdentityToken: await token({ aud: 'other' }) })), wrong);
  await iam.send(
    new RemoveClientIDFromOpenIDConnectProviderCommand({
      OpenIDConnectProviderArn: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.hostAndPath}`,
      ClientID: 'sts.amazonaws.com',
    }),
  );
  t.same(await refusal(assume()), wrong);
});

t.test('roles are not chained here: AssumeRole is not offered', async (t) => {
  const { sts } = await createWorld(t);
  const call = sts.send(new AssumeRoleCommand({ RoleArn: ROLE_ARN, RoleSessionName: 'ab' }));
  t.match(await refusal(call), { code: 'InvalidAction', status: 400 });
});

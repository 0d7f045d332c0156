// "The token", line by line: algorithms, claims, times, audiences, condition keys, tags, source identity, roles.
import { UpdateRoleCommand } from '@aws-sdk/client-iam';
import t from 'tap';
import { generateKey, sign } from './issuer.ts';
import type { Refusal } from './world.ts';
import { createWorld, DENIED, OK, refusal, ROLE_ARN, trustPolicy } from './world.ts';

const invalid = (message: string): Refusal => ({ code: 'InvalidIdentityToken', status: 400, message });

t.test('RS256/384/512 and ES256/384/512; no PS, no EdDSA', async (t) => {
  const { assume, issuer, claims } = await createWorld(t);
  const keys = [];
  for (const alg of ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA']) {
    keys.push(await generateKey(alg, alg));
  }
  issuer.jwks.keys = keys.map(({ jwk }) => jwk);
  issuer.discovery['id_token_signing_alg_values_supported'] = keys.map(({ alg }) => alg);
  for (const key of keys) {
    const call = assume({ WebIdentityToken: await sign(key, claims()) });
    if (/^[RE]S/.test(key.alg)) t.match(await call, OK, key.alg);
    else t.same(await refusal(call), invalid("The token's signing algorithm is not supported."), key.alg);
  }
});

t.test('no unsigned token, no HMAC', async (t) => {
  const { assume, claims } = await createWorld(t);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const alg of ['none', 'HS256']) {
    const token = `${part({ alg, kid: 'key-0' })}.${part(claims())}.${part({})}`;
    t.same(
      await refusal(assume({ WebIdentityToken: token })),
      invalid("The token's signing algorithm is not supported."),
      alg,
    );
  }
});

t.test('iss, sub, aud, iat and exp are required', async (t) => {
  const { assume, token } = await createWorld(t);
  for (const claim of ['iss', 'sub', 'aud', 'iat', 'exp']) {
    const call = assume({ WebIdentityToken: await token({ [claim]: undefined }) });
    t.same(await refusal(call), invalid(`Missing a required claim: ${claim}`));
  }
});

t.test('times are integer seconds: fractions and strings are refused', async (t) => {
  const { assume, token, clock } = await createWorld(t);
  const now = Math.floor(clock.now / 1000);
  for (const change of [
    { iat: now - 0.5 },
    { exp: now + 60.5 },
    { nbf: now - 0.1 },
    { exp: String(now + 60) },
    { iat: null },
  ]) {
    const call = assume({ WebIdentityToken: await token(change) });
    t.same(await refusal(call), invalid('Invalid timestamp in token claims.'), JSON.stringify(change));
  }
});

t.test('5 minutes of leeway on iat, nbf and after exp, and not a second more', async (t) => {
  const { assume, token, clock } = await createWorld(t, { clockAt: Math.floor(Date.now() / 1000) * 1000 });
  const now = clock.now / 1000;
  const call = async (change: object) => assume({ WebIdentityToken: await token({ ...change }) });
  t.match(await call({ iat: now + 300, exp: now + 400 }), OK, 'iat');
  t.same(await refusal(call({ iat: now + 301, exp: now + 400 })), invalid('Token issued in the future.'));
  t.match(await call({ nbf: now + 300 }), OK, 'nbf');
  t.same(await refusal(call({ nbf: now + 301 })), invalid('The web identity token is not yet valid.'));
  t.match(await call({ iat: now - 400, exp: now - 299 }), OK, 'exp');
  t.match(await refusal(call({ iat: now - 400, exp: now - 300 })), {
    code: 'ExpiredTokenException',
    status: 400,
    message: /^Token expired: current date\/time \d+ must be before the expiration date\/time\d+$/,
  });
});

t.test('4 to 20 000 characters', async (t) => {
  const { assume, token } = await createWorld(t);
  const bare = (await token({ pad: '' })).length;
  // Base64url makes four characters of three.
  const long = await token({ pad: 'a'.repeat(Math.floor(((20000 - bare) * 3) / 4) - 2) });
  t.ok(long.length <= 20000 && long.length > 19990, `${long.length} characters`);
  t.match(await assume({ WebIdentityToken: long }), OK);
  const tooLong = await token({ pad: 'a'.repeat(15100) });
  t.match(await refusal(assume({ WebIdentityToken: tooLong })), {
    code: 'ValidationError',
    status: 400,
    message: /'webIdentityToken'.*less than or equal to 20000/,
  });
  t.match(await refusal(assume({ WebIdentityToken: 'a.b' })), {
    code: 'ValidationError',
    message: /greater than or equal to 4/,
  });
});

t.test('what is not a JWT is refused as AWS does', async (t) => {
  const { assume, token } = await createWorld(t);
  const [head, body, signature] = (await token()).split('.') as [string, string, string];
  const notJwt = invalid(
    'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
  );
  const twice = Buffer.from('{"alg":"ES256","kid":"key-0","kid":"key-1"}').toString('base64url');
  for (const compact of [
    'abcd',
    'a.b.c',
    `${head}.${body}`,
    `${head}.${body}.${signature}.x`,
    `${head}=.${body}.${signature}`,
    `${twice}.${body}.${signature}`,
    `${head}.W10.${signature}`,
  ]) {
    t.same(await refusal(assume({ WebIdentityToken: compact })), notJwt, compact.slice(0, 30));
  }
});

t.test('more than one audience without azp is refused; with azp, it replaces aud everywhere', async (t) => {
  const { assume, token, trust, issuer } = await createWorld(t);
  const call = async (change: object) => assume({ WebIdentityToken: await token({ ...change }) });
  const two = ['sts.amazonaws.com', 'other'];
  t.match(await call({ aud: ['sts.amazonaws.com'] }), OK, 'one in a list is one');
  t.same(
    await refusal(call({ aud: two })),
    invalid('Token audience contains more than one audience while authorized party is not present'),
  );
  t.match(await call({ aud: two, azp: 'sts.amazonaws.com' }), { ...OK, Audience: 'sts.amazonaws.com' });
  t.match(await call({ aud: 'other', azp: 'sts.amazonaws.com' }), OK, 'azp alone counts');
  t.same(await refusal(call({ azp: 'other' })), invalid('Incorrect token audience'));
  await trust(
    trustPolicy(issuer, { condition: { 'ForAllValues:StringEquals': { [`${issuer.hostAndPath}:oaud`]: 'other' } } }),
  );
  t.match(await call({ aud: 'other', azp: 'sts.amazonaws.com' }), OK, 'oaud is what aud was');
  t.same(await refusal(call({})), DENIED);
});

t.test('only sub, aud, amr, email and oaud can be condition keys', async (t) => {
  const { assume, token, trust, issuer } = await createWorld(t);
  const prefix = issuer.hostAndPath;
  const change = { amr: ['mfa', 'pwd'], email: 'a@example.com', tenant: 't1', jti: 'j1' };
  const call = async () => assume({ WebIdentityToken: await token(change) });
  const values = {
    sub: 'cn_test',
    aud: 'sts.amazonaws.com',
    amr: 'mfa',
    email: 'a@example.com',
    oaud: 'sts.amazonaws.com',
  };
  for (const [name, value] of Object.entries(values)) {
    await trust(trustPolicy(issuer, { condition: { 'ForAnyValue:StringEquals': { [`${prefix}:${name}`]: value } } }));
    t.match(await call(), OK, name);
  }
  for (const [name, value] of Object.entries({ tenant: 't1', jti: 'j1', iss: issuer.url })) {
    await trust(trustPolicy(issuer, { condition: { StringEquals: { [`${prefix}:${name}`]: value } } }));
    t.same(await refusal(call()), DENIED, name);
  }
});

t.test('tags: one-element arrays, and the trust must allow sts:TagSession or the whole call is denied', async (t) => {
  const { assume, token, trust, issuer } = await createWorld(t);
  const call = async (tags: unknown) =>
    assume({ WebIdentityToken: await token({ 'https://aws.amazon.com/tags': tags }) });
  const good = { principal_tags: { team: ['blue'] }, transitive_tag_keys: ['team'] };
  t.same(await refusal(call(good)), DENIED);
  const action = ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'];
  await trust(trustPolicy(issuer, { action }));
  t.match(await call(good), OK);
  const wrong = invalid('principal_tags passed in claim is not in correct format.');
  for (const values of ['blue', ['blue', 'red'], [], [1]]) {
    t.same(await refusal(call({ principal_tags: { team: values } })), wrong, JSON.stringify(values));
  }
  t.match(await refusal(call('team=blue')), { code: 'InvalidIdentityToken' });
  t.match(await refusal(call({ principal_tags: { team: ['blue'] }, transitive_tag_keys: ['other'] })), {
    code: 'InvalidIdentityToken',
  });
  await trust(trustPolicy(issuer, { action, condition: { StringEquals: { 'aws:RequestTag/team': 'red' } } }));
  t.same(await refusal(call(good)), DENIED, 'aws:RequestTag');
  await trust(
    trustPolicy(issuer, { action, condition: { 'ForAllValues:StringEquals': { 'sts:TransitiveTagKeys': ['team'] } } }),
  );
  t.match(await call(good), OK, 'sts:TransitiveTagKeys');
});

t.test('source identity: 2 to 64 of its characters, and the trust must allow sts:SetSourceIdentity', async (t) => {
  const { assume, token, trust, issuer } = await createWorld(t);
  const call = async (value: unknown) =>
    assume({ WebIdentityToken: await token({ 'https://aws.amazon.com/source_identity': value }) });
  t.same(await refusal(call('ex_1')), DENIED);
  const action = ['sts:AssumeRoleWithWebIdentity', 'sts:SetSourceIdentity'];
  await trust(trustPolicy(issuer, { action }));
  t.match(await call('ex_1'), { ...OK, SourceIdentity: 'ex_1' });
  t.match(await call('a'.repeat(64)), OK);
  for (const value of ['a', 'a'.repeat(65), 'a b', 'aws:x', 7]) {
    t.match(await refusal(call(value)), { code: 'InvalidIdentityToken', status: 400 }, String(value));
  }
  await trust(trustPolicy(issuer, { action, condition: { StringLike: { 'sts:SourceIdentity': 'ex_*' } } }));
  t.match(await call('ex_1'), OK);
  t.same(await refusal(call('id_1')), DENIED);
});

t.test('roles: exact ARNs, refused before the trust policy; sts:RoleAuthorizedByIdp can require it', async (t) => {
  const { assume, token, trust, issuer } = await createWorld(t);
  const call = async (roles: unknown) =>
    assume({ WebIdentityToken: await token({ 'https://aws.amazon.com/roles': roles }) });
  t.match(await call([ROLE_ARN]), OK);
  t.match(await call(['arn:aws:iam::123456789012:role/other', ROLE_ARN]), OK);
  const mismatch = invalid('The target role ARN is not present in the roles claim of the identity token');
  await trust(trustPolicy(issuer, { effect: 'Deny' }));
  for (const arn of [
    `${ROLE_ARN}s`,
    ROLE_ARN.replace('countersign', 'Countersign'),
    ROLE_ARN.replace('aws', 'aws-cn'),
  ]) {
    t.same(await refusal(call([arn])), mismatch, arn);
  }
  t.same(
    await refusal(call(['arn:aws:iam::123456789012:role/*'])),
    invalid('The roles claim contains no valid role ARNs'),
  );
  t.same(await refusal(call(ROLE_ARN)), invalid('The roles claim is not in a supported format'));
  t.same(await refusal(call([])), invalid('The roles claim contains no valid role ARNs'));
  await trust(trustPolicy(issuer, { condition: { Bool: { 'sts:RoleAuthorizedByIdp': 'true' } } }));
  t.match(await call([ROLE_ARN]), OK);
  t.same(await refusal(call(undefined)), DENIED, 'a token that says nothing of roles');
});

t.test("the token's exp does not bound the session", async (t) => {
  const { assume, token, clock, iam } = await createWorld(t);
  await iam.send(new UpdateRoleCommand({ RoleName: 'countersign', MaxSessionDuration: 7200 }));
  const now = Math.floor(clock.now / 1000);
  const { Credentials } = await assume({ WebIdentityToken: await token({ exp: now + 60 }), DurationSeconds: 7200 });
  t.equal(Credentials?.Expiration?.getTime(), (now + 7200) * 1000);
});

// Verification of workload tokens: one algorithm, typ, issuer, audience and age; keys in memory alone.
import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { LOOPBACK_POLICY, retirement } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { isReservedAudience, parseAudience } from '../../src/tokens/audiences.ts';
import { createMintWebIdentityToken, mintHostToken } from '../../src/tokens/mint.ts';
import { createVerifyWorkloadToken } from '../../src/tokens/verify.ts';
import { createKeysFixture, openPrepared } from '../support/keys.ts';

const issuerUrl = 'https://id.example.com';
const audience = `${issuerUrl}/v1`;

async function setUp(t: Parameters<typeof createKeysFixture>[0]) {
  const fixture = await createKeysFixture(t);
  const view = fixture.view();
  await view.refresh();
  const minting = {
    issuerUrl,
    view,
    clock: fixture.clock,
    signer: createLocalSigner({ db: fixture.database.db, keyring: fixture.keyring, clock: fixture.clock }),
  };
  const verify = createVerifyWorkloadToken({ issuerUrl, view });
  const check = (token: string) => verify(token, (aud) => aud === audience, audience);
  const mint = () => mintHostToken(minting, { audience, scope: 'audit:read keys:read' });
  /** Signed by the ring's own key, with claims and a header that nobody here would mint. */
  const forge = async (claims: object, header: object = {}) => {
    const key = fixture.prepared.keys[0];
    const iat = Math.floor(fixture.clock.wall() / 1000);
    const payload = {
      iss: issuerUrl,
      sub: 'wl_x',
      client_id: 'wl_x',
      aud: audience,
      iat,
      exp: iat + 900,
      jti: 'j',
      ...claims,
    };
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header } as { alg: string })
      .sign(await openPrepared(fixture.kek, fixture.prepared, key));
  };
  return { ...fixture, view, minting, check, mint, forge, verify };
}

t.test('what we mint verifies, until it expires', async (t) => {
  const { check, mint, clock, view, forge } = await setUp(t);
  const { token, kid, jti } = await mint();
  t.match(await check(token), { subject: 'host', audience, scopes: ['audit:read', 'keys:read'], jti, kid });
  t.ok(await check(await forge({})), 'the forger of these tests can sign what passes');
  clock.step(899_000);
  await view.refresh();
  t.ok(await check(token));
  clock.step(1000);
  await t.rejects(check(token), { code: 'invalid_token', message: /expired/ });
});

t.test('a wall clock that is set back or ahead makes no token live longer, nor shorter', async (t) => {
  const { check, mint, clock, view } = await setUp(t);
  const { token } = await mint();
  clock.jump(3_600_000);
  t.ok(await check(token), 'it has its 15 minutes');
  clock.jump(-7_200_000);
  t.ok(await check(token), 'and is not from the future');
  clock.step(900_000);
  await view.refresh();
  await t.rejects(check(token), { code: 'invalid_token', message: /expired/ });
});

t.test('each claim and header is checked', async (t) => {
  const { check, forge, clock } = await setUp(t);
  const now = Math.floor(clock.wall() / 1000);
  const faults: [string, object, object, RegExp][] = [
    ['typ', {}, { typ: 'JWT' }, /typ/],
    ['no typ', {}, { typ: undefined }, /typ/],
    ['kid', {}, { kid: 'unknown' }, /key is not one of ours/],
    ['no kid', {}, { kid: undefined }, /names no key/],
    ['issuer', { iss: 'https://evil.example' }, {}, /issuer/],
    ['issuer of a connection', { iss: `${issuerUrl}/c/is_x` }, {}, /issuer/],
    ['audience', { aud: `${issuerUrl}/v1/credentials` }, {}, /audience/],
    ['audience is the issuer', { aud: issuerUrl }, {}, /audience/],
    ['array audience', { aud: [audience] }, {}, /not one string/],
    ['client_id', { client_id: 'wl_y' }, {}, /claim/],
    ['no jti', { jti: undefined }, {}, /claim/],
    ['fractional', { exp: now + 0.5 }, {}, /whole/],
    ['no exp', { exp: undefined }, {}, /whole/],
    ['too long', { exp: now + 901 }, {}, /too long/],
    ['future', { iat: now + 60, exp: now + 120 }, {}, /future/],
    ['scope', { scope: ['a'] }, {}, /scope/],
    ['jku', {}, { jku: 'https://evil.example' }, /jku/],
  ];
  for (const [name, claims, header, expected] of faults) {
    await t.rejects(check(await forge(claims, header)), { code: 'invalid_token', message: expected }, name);
  }
});

t.test('another key, another algorithm, another kind', async (t) => {
  const { check, mint, minting, prepared, verify, forge } = await setUp(t);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { token } = await mint();
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const stranger = await new SignJWT({ sub: 'x' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: prepared.keys[0].kid })
    .sign(privateKey);
  await t.rejects(check(stranger), { message: /signature/ });
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'wl_other' };
  await t.rejects(check(`${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`), {
    message: /signature/,
  });
  const hs256 = await new SignJWT({ sub: 'x' })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: prepared.keys[0].kid })
    .sign(prepared.keys[0].public);
  await t.rejects(check(hs256), { message: /algorithm/ }, 'the public key as an HMAC secret');
  const webIdentity = await createMintWebIdentityToken(minting)({
    issuer: 'platform',
    algorithm: 'ES256',
    subject: 'cn_x',
    roleArn: 'arn:aws:iam::111122223333:role/r',
  });
  await t.rejects(
    verify(webIdentity.token, () => true, audience),
    { message: /typ/ },
    'a web identity token is no workload token',
  );
  t.ok(await check(await forge({})));
});

t.test(
  'a signature that was verified once is remembered for the very same token, and a wrong one is not',
  async (t) => {
    const { check, forge } = await setUp(t);
    const [first, other] = [await forge({}), await forge({ jti: 'other' })];
    const withSignatureOf = (token: string, signer: string): string =>
      [...token.split('.').slice(0, 2), signer.split('.')[2]].join('.');
    for (let time = 0; time < 2; time += 1) {
      t.ok(await check(first));
      t.ok(await check(other));
      await t.rejects(check(withSignatureOf(first, other)), { message: /signature/ });
      await t.rejects(check(withSignatureOf(other, first)), { message: /signature/ });
    }
  },
);

t.test('a key verifies until its removal, a revoked one not at all', async (t) => {
  const { check, mint, deps, ringId, clock, view, forge } = await setUp(t);
  const { token, kid } = await mint();
  await rotateNow(deps, ringId, SYSTEM);
  await view.refresh();
  t.ok(await check(token), 'verify-only');
  t.not((await mint()).kid, kid, 'the successor signs');
  clock.step(retirement(LOOPBACK_POLICY, 'workload_token'));
  await view.refresh();
  await t.rejects(check(token), { code: 'invalid_token' });
  await t.rejects(
    check(await forge({})),
    { message: /removed/ },
    'nor a new token by a key that was stolen and is removed',
  );
  const next = await mint();
  await revoke(deps, { ring: ringId, kid: next.kid, acceptOutage: true }, SYSTEM);
  await view.refresh();
  await t.rejects(check(next.token), { message: /revoked/ });
});

t.test('audiences', async (t) => {
  const id = `cn_${'a'.repeat(26)}`;
  t.same(parseAudience(issuerUrl, `${issuerUrl}/v1/connections/${id}/credentials`), {
    kind: 'connection',
    connection: id,
  });
  for (const other of [
    issuerUrl,
    `${issuerUrl}/v1/`,
    `${issuerUrl}/v1/connections/ref/credentials`,
    `https://evil.example/v1`,
    `${issuerUrl}.evil/v1`,
    `${'x'.repeat(issuerUrl.length)}/v1/connections/${id}/credentials`,
  ]) {
    t.equal(parseAudience(issuerUrl, other), undefined, other);
  }
  for (const reserved of [
    issuerUrl,
    `${issuerUrl}/`,
    `${issuerUrl}/anything`,
    'id.example.com',
    'https://ID.EXAMPLE.COM/x',
    'http://id.example.com',
    'sts.amazonaws.com',
    'https://sts.amazonaws.com',
    'https://sts.eu-west-1.amazonaws.com/',
    'STS.amazonaws.com',
    'sts.amazonaws.com.cn',
    'https://iam.googleapis.com/projects/1',
    '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    'api://AzureADTokenExchange',
    'https://login.microsoftonline.com/x',
  ]) {
    t.ok(isReservedAudience(reserved, issuerUrl), reserved);
  }
  for (const free of [
    'https://ledger.example',
    'urn:example:ledger',
    'https://id.example.community',
    'https://my-amazonaws.community',
  ]) {
    t.notOk(isReservedAudience(free, issuerUrl), free);
  }
});

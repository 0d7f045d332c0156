// The JWKS, as AWS reads it: which keys it uses, and which make a token unverifiable.
import { generateKeyPairSync, KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import t from 'tap';
import { selfSigned } from './certificate.ts';
import { generateKey, sign } from './issuer.ts';
import { createWorld, OK, refusal } from './world.ts';

const NO_KEY = { code: 'InvalidIdentityToken', status: 400, message: /^Couldn't retrieve verification key/ };

t.test('at most 100 RSA and 100 EC keys', async (t) => {
  const { assume, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  const { jwk: rsa } = await generateKey('RS256', 'rsa');
  const copies = (jwk: JWK, count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...jwk, kid: `${jwk.kty}-${n}` }));
  const { jwk: ec } = issuer.key;
  issuer.jwks.keys = [...copies(rsa, 100), ...copies(ec, 99), ec];
  t.match(await assume(), OK, '100 of each');
  issuer.jwks.keys = [...copies(ec, 100), ec];
  t.match(await refusal(assume()), NO_KEY, '101 EC keys');
  issuer.jwks.keys = [...copies(rsa, 101), ec];
  t.match(await refusal(assume()), NO_KEY, '101 RSA keys');
});

t.test('kid is required, in the key and in the token', async (t) => {
  const { assume, issuer, sandbox, token } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  t.match(await refusal(assume({ WebIdentityToken: await token({}, { kid: undefined }) })), {
    code: 'InvalidIdentityToken',
    status: 400,
  });
  const { kid: _, ...rest } = issuer.key.jwk;
  issuer.jwks.keys = [rest];
  t.match(await refusal(assume()), NO_KEY);
});

t.test('key_ops makes a key fail, even ["verify"], and so does what WebCrypto exports', async (t) => {
  const { assume, claims, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  issuer.jwks.keys = [{ ...issuer.key.jwk, key_ops: ['verify'] }];
  t.match(await refusal(assume()), NO_KEY);
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const exported = await crypto.subtle.exportKey('jwk', pair.publicKey);
  t.ok('key_ops' in exported && 'ext' in exported, 'WebCrypto adds both');
  const signingKey = { kid: 'web', alg: 'ES256', privateKey: pair.privateKey, jwk: { ...exported, kid: 'web' } as JWK };
  const call = async () => assume({ WebIdentityToken: await sign(signingKey, claims()) });
  issuer.jwks.keys = [signingKey.jwk];
  t.match(await refusal(call()), NO_KEY);
  const { key_ops: _, ...without } = signingKey.jwk;
  issuer.jwks.keys = [without];
  t.match(await call(), OK, 'ext alone does no harm');
});

t.test("use: enc fails, and an alg or curve that is not the token's", async (t) => {
  const { assume, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  const { jwk } = issuer.key;
  for (const change of [{ use: 'enc' }, { alg: 'ES384' }, { crv: 'P-384' }, { kty: 'RSA' }]) {
    issuer.jwks.keys = [{ ...jwk, ...change }];
    t.match(await refusal(assume()), NO_KEY, JSON.stringify(change));
  }
  const { use: _use, alg: _alg, ...bare } = jwk;
  issuer.jwks.keys = [bare];
  t.match(await assume(), OK, 'neither is needed');
});

t.test('a later duplicate kid wins', async (t) => {
  const { assume, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  const other = await generateKey('ES256', issuer.key.kid);
  issuer.jwks.keys = [other.jwk, issuer.key.jwk];
  t.match(await assume(), OK);
  issuer.jwks.keys = [issuer.key.jwk, other.jwk];
  t.match(await refusal(assume()), { code: 'InvalidIdentityToken', message: 'The token signature is invalid.' });
  issuer.jwks.keys = [issuer.key.jwk, { ...issuer.key.jwk, use: 'enc' }];
  t.match(await refusal(assume()), NO_KEY, 'even one that cannot be used');
});

t.test('x5c, if there, must match', async (t) => {
  const { assume, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  const own = selfSigned(KeyObject.from(issuer.key.privateKey as never));
  const other = selfSigned(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  issuer.jwks.keys = [{ ...issuer.key.jwk, x5c: [own] }];
  t.match(await assume(), OK);
  for (const x5c of [[other], ['AAAA'], [], 'no list']) {
    issuer.jwks.keys = [{ ...issuer.key.jwk, x5c }];
    t.match(await refusal(assume()), NO_KEY, JSON.stringify(x5c).slice(0, 20));
  }
});

t.test('a signature by another key, and a token that was changed', async (t) => {
  const { assume, issuer, claims, token } = await createWorld(t);
  const other = await generateKey('ES256', issuer.key.kid);
  const wrong = { code: 'InvalidIdentityToken', status: 400, message: 'The token signature is invalid.' };
  t.same(await refusal(assume({ WebIdentityToken: await sign(other, claims()) })), wrong);
  const [head, , signature] = (await token()).split('.');
  const forged = Buffer.from(JSON.stringify(claims({ sub: 'cn_other' }))).toString('base64url');
  t.same(await refusal(assume({ WebIdentityToken: `${head}.${forged}.${signature}` })), wrong);
});

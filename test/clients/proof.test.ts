// How a client proves who it is: a signature by a key of its own, while that key lives; and what nobody can prove.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import t from 'tap';
import { createKey, toStoredJwks } from '../../src/clients/keys.ts';
import { createProvesItself } from '../../src/clients/proof.ts';
import type { JwkInput } from '../../src/clients/schema.ts';
import type { Jwks } from '../../src/db/types.ts';

const NOW = Date.UTC(2026, 10, 20);

function makePair(alg: 'ES256' | 'RS256') {
  const { privateKey, publicKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey, jwk: publicKey.export({ format: 'jwk' }) as unknown as JwkInput };
}

function clientOf(...keys: ReturnType<typeof createKey>[]): { jwks: Jwks } {
  return { jwks: JSON.parse(toStoredJwks(keys)) as Jwks };
}

function signed(key: KeyObject, alg: 'ES256' | 'RS256', kid?: string) {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg, kid })}.${encode({ iss: 'wl_x' })}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return { token: `${text}.${signature.toString('base64url')}`, algorithm: alg, kid };
}

for (const alg of ['ES256', 'RS256'] as const) {
  t.test(`${alg}: a key of its own, named or not, until its very last millisecond`, async (t) => {
    const provesItself = await createProvesItself();
    const [pair, other] = [makePair(alg), makePair(alg)];
    const key = createKey({ jwk: pair.jwk, expires_at: '2026-11-20T00:00:10Z' }, NOW);
    const lasting = createKey({ jwk: other.jwk }, NOW);
    const client = clientOf(key, lasting);
    const assertion = signed(pair.privateKey, alg, key.kid);
    t.equal(await provesItself(client, assertion, NOW), true);
    t.equal(await provesItself(client, signed(pair.privateKey, alg), NOW), true, 'without a kid each key is tried');
    t.equal(await provesItself(client, assertion, NOW + 9_999), true);
    t.equal(await provesItself(client, assertion, NOW + 10_000), false, 'expired');
    t.equal(
      await provesItself(client, signed(other.privateKey, alg, key.kid), NOW),
      false,
      'the key that it names signs',
    );
    t.equal(await provesItself(client, signed(makePair(alg).privateKey, alg), NOW), false, "nobody's key");
    t.equal(await provesItself(undefined, assertion, NOW), false, 'not registered');
    t.equal(await provesItself(clientOf(), assertion, NOW), false, 'without a key');
    const tampered = `${assertion.token.slice(0, -4)}${assertion.token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    t.equal(await provesItself(client, { ...assertion, token: tampered }, NOW), false, 'another signature');
  });
}

t.test('a key signs by its own algorithm alone', async (t) => {
  const provesItself = await createProvesItself();
  const { privateKey, jwk } = makePair('ES256');
  const key = createKey({ jwk }, NOW);
  t.equal(
    await provesItself(clientOf(key), { ...signed(privateKey, 'ES256', key.kid), algorithm: 'RS256' }, NOW),
    false,
  );
});

t.test('a row that gives a key the name of another changes nothing for that other', async (t) => {
  const provesItself = await createProvesItself();
  const [good, evil] = [makePair('ES256'), makePair('ES256')];
  const key = createKey({ jwk: good.jwk }, NOW);
  const liar = clientOf({ ...createKey({ jwk: evil.jwk }, NOW), kid: key.kid });
  const forged = signed(evil.privateKey, 'ES256', key.kid);
  t.equal(await provesItself(liar, forged, NOW), true, 'it is its own key');
  t.equal(await provesItself(clientOf(key), forged, NOW), false, "and not the other's, whatever is remembered");
  t.equal(await provesItself(clientOf(key), signed(good.privateKey, 'ES256', key.kid), NOW), true);
});

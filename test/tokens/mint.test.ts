// What AWS STS is shown: the claims of a web identity token, to the letter of what AWS takes.
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import t from 'tap';
import { discoveryDocument, jwksDocument } from '../../src/issuers/documents.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { createMintCanary } from '../../src/tokens/canary.ts';
import { createMintWebIdentityToken } from '../../src/tokens/mint.ts';
import { createKeysFixture } from '../support/keys.ts';

const issuerUrl = 'https://id.example.com';
const roleArn = 'arn:aws:iam::111122223333:role/countersign';

t.test('a web identity token', async (t) => {
  const {
    view: createView,
    database,
    keyring,
    clock,
    deps,
    act,
  } = await createKeysFixture(t, { purpose: 'web_identity_token' });
  const prepared = await deps.rings.prepare({ issuer: 'is_x', algorithm: 'RS256', purpose: 'web_identity_token' });
  await act({ id: 'system', confirm: async () => {} }, async (trx) => {
    await trx.insertInto('issuers').values({ id: 'is_x', kind: 'connection' }).execute();
    await deps.rings.insert(trx, prepared, { id: 'system', confirm: async () => {} });
    return { result: undefined, records: [], affectsDecisions: false };
  });
  const view = createView();
  await view.refresh();
  const mint = createMintWebIdentityToken({
    issuerUrl,
    view,
    clock,
    signer: createLocalSigner({ db: database.db, keyring, clock }),
  });
  const { token, kid, jti } = await mint({ issuer: 'is_x', algorithm: 'RS256', subject: 'cn_x', roleArn });
  t.same(decodeProtectedHeader(token), { alg: 'RS256', typ: 'JWT', kid });
  const claims = decodeJwt(token);
  const iat = Math.floor(clock.wall() / 1000);
  t.same(claims, {
    iss: `${issuerUrl}/c/is_x`,
    sub: 'cn_x',
    aud: 'sts.amazonaws.com',
    iat,
    exp: iat + 120,
    jti,
    'https://aws.amazon.com/roles': [roleArn],
  });
  t.notOk('azp' in claims);
  const { keys } = jwksDocument(view.find('is_x') ?? [], view.now()) as { keys: { kid: string; alg: string }[] };
  t.equal(keys.length, 2);
  for (const key of keys)
    t.same(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'no key_ops, no ext, no x5c');
  const published = keys.find((key) => key.kid === kid) as { kid: string; alg: string };
  t.ok(await jwtVerify(token, await importJWK(published, 'RS256'), { currentDate: new Date(clock.wall()) }));

  const tagged = decodeJwt(
    (
      await mint({
        issuer: 'is_x',
        algorithm: 'RS256',
        subject: 'cn_x',
        roleArn,
        sourceIdentity: 'ex_1',
        tags: { team: 'billing' },
      })
    ).token,
  );
  t.same(tagged['https://aws.amazon.com/source_identity'], 'ex_1');
  t.same(tagged['https://aws.amazon.com/tags'], { principal_tags: { team: ['billing'] } });
  t.notOk(
    'https://aws.amazon.com/tags' in
      decodeJwt((await mint({ issuer: 'is_x', algorithm: 'RS256', subject: 'cn_x', roleArn, tags: {} })).token),
  );

  clock.jump(60_000);
  await t.rejects(
    mint({ issuer: 'is_x', algorithm: 'RS256', subject: 'cn_x', roleArn }),
    { code: 'unavailable' },
    'nothing is signed by a wrong clock',
  );
  clock.jump(-60_000);
  await t.rejects(mint({ issuer: 'is_gone', algorithm: 'ES256', subject: 'cn_x', roleArn }), { code: 'unavailable' });
});

t.test('a new issuer signs, however many unknown ones strangers ask for', async (t) => {
  const { view: createView, database, keyring, clock, deps, act } = await createKeysFixture(t);
  const [view, elsewhere] = [createView(), createView()];
  await view.refresh();
  const common = { issuerUrl, view, clock, signer: createLocalSigner({ db: database.db, keyring, clock }) };
  const mint = createMintWebIdentityToken(common);
  const mintCanary = createMintCanary({ ...common, mayProveRevocation: async () => false });
  for (const [issuer, sign] of [
    ['is_new', mint],
    ['is_newer', mintCanary],
  ] as const) {
    const prepared = await deps.rings.prepare({ issuer, algorithm: 'ES256', purpose: 'web_identity_token' });
    await act({ id: 'system', confirm: async () => {} }, async (trx) => {
      await trx.insertInto('issuers').values({ id: issuer, kind: 'connection' }).execute();
      await deps.rings.insert(trx, prepared, { id: 'system', confirm: async () => {} });
      return { result: undefined, records: [], affectsDecisions: false };
    });
    await elsewhere.refresh();
    const kid = activeKey(elsewhere.find(issuer)?.[0]?.keys ?? [], elsewhere.now())?.kid;
    const strangers = Array.from({ length: 30 }, (_, n) => view.load(`is_${n}`));
    t.ok(
      (await Promise.allSettled(strangers)).some(({ status }) => status === 'rejected'),
      'no more are read',
    );
    const input = { issuer, algorithm: 'ES256', subject: 'cn_x', roleArn, kid } as const;
    const minted = await Promise.all(Array.from({ length: 5 }, () => sign(input)));
    t.same([...new Set(minted.map((token) => token.kid))], [kid]);
  }
});

t.test('discovery has what AWS and OIDC need', async (t) => {
  const urls = { issuerUrl, internalUrl: 'https://internal.example.com' };
  const connection = discoveryDocument(urls, 'is_x') as Record<string, unknown>;
  t.match(connection, {
    issuer: `${issuerUrl}/c/is_x`,
    jwks_uri: `${issuerUrl}/c/is_x/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    claims_supported: ['aud', 'iat', 'iss', 'sub'],
  });
  t.notOk('token_endpoint' in connection, 'a connection issuer has no token endpoint');
  t.match(discoveryDocument(urls, 'platform'), {
    issuer: issuerUrl,
    token_endpoint: 'https://internal.example.com/oauth2/token',
  });
});

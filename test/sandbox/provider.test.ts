// "The OIDC provider in IAM", line by line: what IAM takes, and what STS makes of an issuer's documents.
import {
  AddClientIDToOpenIDConnectProviderCommand,
  CreateOpenIDConnectProviderCommand,
  DeleteOpenIDConnectProviderCommand,
  UpdateOpenIDConnectProviderThumbprintCommand,
} from '@aws-sdk/client-iam';
import t from 'tap';
import { generateKey, sign } from './issuer.ts';
import { ACCOUNT, clients, createWorld, refusal, sessionClients } from './world.ts';

const PROVIDER = (hostAndPath: string) => `arn:aws:iam::${ACCOUNT}:oidc-provider/${hostAndPath}`;

t.test(
  'the URL is https, at most 255 characters, with a path if it likes, without query, fragment or port',
  async (t) => {
    const { sandbox, assume } = await createWorld(t);
    // A session that may not create providers: AccessDenied comes after the URL was found good, before it is contacted.
    const session = sessionClients(sandbox, await assume());
    const create = (Url: string) => refusal(session.iam.send(new CreateOpenIDConnectProviderCommand({ Url })));
    for (const url of [
      'https://id.example.com',
      'https://id.example.com/c/is_a',
      `https://id.example.com/${'a'.repeat(255 - 23)}`,
    ]) {
      t.equal((await create(url)).code, 'AccessDenied', url);
    }
    for (const url of [
      'http://id.example.com/c',
      'https://id.example.com:8443/c',
      'https://id.example.com:443/c',
      'https://id.example.com/c?x=1',
      'https://id.example.com/c#x',
      'https://user@id.example.com/c',
      'ftp://id.example.com',
      'id.example.com',
      'http://127.0.0.1.example.com/c',
      `https://id.example.com/${'a'.repeat(256 - 23)}`,
    ]) {
      t.match(await create(url), { code: 'ValidationError', status: 400 }, url);
    }
  },
);

t.test('it must equal iss exactly, case and trailing slash included', async (t) => {
  const { assume, token, issuer } = await createWorld(t);
  for (const iss of [
    `${issuer.url}/`,
    issuer.url.replace('is_test', 'IS_TEST'),
    issuer.url.replace('http:', 'https:'),
    'https://other.example.com',
  ]) {
    t.same(await refusal(assume({ WebIdentityToken: await token({ iss }) })), {
      code: 'InvalidIdentityToken',
      status: 400,
      message: `No OpenIDConnect provider found in your account for ${iss}`,
    });
  }
});

t.test('a trailing slash is part of the URL where the issuer has one', async (t) => {
  const { assume, token, issuer } = await createWorld(t, { issuerPath: '/c/is_slash/' });
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' });
  t.match(await refusal(assume({ WebIdentityToken: await token({ iss: issuer.url.slice(0, -1) }) })), {
    code: 'InvalidIdentityToken',
  });
});

t.test('one provider for a URL in an account', async (t) => {
  const { iam, issuer, sandbox } = await createWorld(t);
  const create = new CreateOpenIDConnectProviderCommand({ Url: issuer.url });
  t.same(await refusal(iam.send(create)), {
    code: 'EntityAlreadyExists',
    status: 409,
    message: `Provider with url ${issuer.url} already exists.`,
  });
  const other = clients(sandbox.url, sandbox.account('210987654321'));
  t.match(await other.iam.send(create), {
    OpenIDConnectProviderArn: `arn:aws:iam::210987654321:oidc-provider/${issuer.hostAndPath}`,
  });
});

t.test('at most 100 providers in an account', async (t) => {
  const { iam, issuer } = await createWorld(t);
  issuer.everywhere = true;
  const create = (n: number) => iam.send(new CreateOpenIDConnectProviderCommand({ Url: `${issuer.url}${n}` }));
  for (let n = 1; n < 100; n += 1) await create(n);
  t.same(await refusal(create(100)), {
    code: 'LimitExceeded',
    status: 409,
    message: 'Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100',
  });
});

t.test('at most 100 audiences for a provider', async (t) => {
  const { iam, issuer } = await createWorld(t);
  issuer.everywhere = true;
  const ClientIDList = Array.from({ length: 100 }, (_, n) => `audience-${n}`);
  const Url = `${issuer.url}x`;
  const { OpenIDConnectProviderArn } = await iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList }));
  const add = new AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID: 'one more' });
  t.match(await refusal(iam.send(add)), { code: 'LimitExceeded', status: 409 });
  const create = new CreateOpenIDConnectProviderCommand({
    Url: `${issuer.url}y`,
    ClientIDList: [...ClientIDList, 'one more'],
  });
  t.match(await refusal(iam.send(create)), { code: 'LimitExceeded', status: 409 });
});

t.test('thumbprints are optional, and a wrong one changes nothing', async (t) => {
  const { iam, issuer, assume } = await createWorld(t);
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' }, 'without any');
  await iam.send(
    new UpdateOpenIDConnectProviderThumbprintCommand({
      OpenIDConnectProviderArn: PROVIDER(issuer.hostAndPath),
      ThumbprintList: ['0'.repeat(40)],
    }),
  );
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' }, 'with one of nothing');
});

t.test('IAM contacts the URL when the provider is created', async (t) => {
  const { iam, issuer } = await createWorld(t);
  const arn = PROVIDER(issuer.hostAndPath);
  await iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn }));
  const create = () => iam.send(new CreateOpenIDConnectProviderCommand({ Url: issuer.url }));
  issuer.before = async () => 503;
  t.match(await refusal(create()), { code: 'OpenIdIdpCommunicationError', status: 400 });
  issuer.before = async () => undefined;
  issuer.asked.length = 0;
  t.match(await create(), { OpenIDConnectProviderArn: arn });
  t.same(issuer.asked, ['/c/is_test/.well-known/openid-configuration']);
});

const NO_KEY = {
  code: 'InvalidIdentityToken',
  status: 400,
  message:
    "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
};

t.test('discovery needs every member', async (t) => {
  const { assume, issuer, sandbox } = await createWorld(t);
  sandbox.options.jwksCacheSeconds = 0;
  const whole = issuer.discovery;
  for (const member of Object.keys(whole)) {
    const { [member]: _, ...rest } = whole;
    issuer.discovery = rest;
    t.same(await refusal(assume()), NO_KEY, `without ${member}`);
  }
  const changes: [string, unknown][] = [
    ['issuer', `${issuer.url}/`],
    ['claims_supported', ['aud', 'iat', 'iss']],
    ['response_types_supported', ['code']],
    ['subject_types_supported', ['pairwise']],
    ['id_token_signing_alg_values_supported', ['ES256']],
    ['id_token_signing_alg_values_supported', ['RS256']],
    ['jwks_uri', 'nowhere'],
    ['jwks_uri', 'http://id.example.com/jwks'],
  ];
  for (const [member, value] of changes) {
    issuer.discovery = { ...whole, [member]: value };
    t.same(await refusal(assume()), NO_KEY, `${member}: ${JSON.stringify(value)}`);
  }
  issuer.discovery = whole;
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' }, 'and it works with all of them');
});

t.test('discovery and JWKS must answer in under 5 s', { timeout: 30000 }, async (t) => {
  const { assume, issuer } = await createWorld(t);
  issuer.before = (path) =>
    new Promise((resolve) => setTimeout(() => resolve(undefined), path.endsWith('/jwks') ? 60000 : 0).unref());
  const from = performance.now();
  t.same(await refusal(assume()), NO_KEY);
  const took = performance.now() - from;
  t.ok(took > 4500 && took < 20000, `gave up after ${Math.round(took)} ms`);
});

t.test(
  'a failure of the issuer shows only as InvalidIdentityToken: rate limits, errors, redirects, no JSON',
  async (t) => {
    const { assume, issuer } = await createWorld(t);
    for (const status of [429, 500, 404, 204]) {
      issuer.before = async () => status;
      t.same(await refusal(assume()), NO_KEY, String(status));
    }
    issuer.before = async (path) => (path.endsWith('/jwks') ? undefined : 302);
    issuer.headers = { location: issuer.url };
    t.same(await refusal(assume()), NO_KEY, 'redirect');
  },
);

t.test('the JWKS is kept for its age, and an unknown kid does not cause a fetch', async (t) => {
  const { assume, issuer, clock, sandbox, claims } = await createWorld(t);
  await assume();
  const fetched = issuer.asked.filter((path) => path.endsWith('/jwks')).length;
  const next = await generateKey('ES256', 'key-1');
  issuer.jwks.keys = [issuer.key.jwk, next.jwk];
  const byNext = async () => assume({ WebIdentityToken: await sign(next, claims()) });
  t.same(await refusal(byNext()), NO_KEY, 'published, but AWS has the copy from before');
  clock.now += 86_399_000;
  t.same(await refusal(byNext()), NO_KEY, 'up to the last second of it');
  t.equal(issuer.asked.filter((path) => path.endsWith('/jwks')).length, fetched, 'no fetch in between');
  clock.now += 1000;
  t.match(await byNext(), { SubjectFromWebIdentityToken: 'cn_test' }, 'and then it is there');
  sandbox.options.jwksCacheSeconds = 5;
  issuer.jwks.keys = [next.jwk];
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' }, 'a removed key lives on in the copy');
  clock.now += 5000;
  t.same(await refusal(assume()), NO_KEY, 'until the copy is of the new age');
});

t.test('with no-cache, a changed JWKS is seen within 2 s', async (t) => {
  const { assume, issuer, clock } = await createWorld(t);
  issuer.headers = { 'cache-control': 'no-cache' };
  await assume();
  issuer.jwks.keys = [];
  clock.now += 1999;
  t.match(await assume(), { SubjectFromWebIdentityToken: 'cn_test' });
  clock.now += 1;
  t.same(await refusal(assume()), NO_KEY);
});

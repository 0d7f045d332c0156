// People: what a sign-in proves and what does not prove one, who lets them in, and clusters that share an `iss`.
import { type Defence, provenBy } from './defence.ts';

const PEOPLE = 'test/federation/people.test.ts';
const ACTS = 'test/postgres/identities.test.ts';
const GAINS = 'test/federation/gains.test.ts';
const SHARING = 'test/federation/sharing.test.ts';
const signIn = 'src/trusted-issuers/sign-in.ts';
const sharing = 'src/trusted-issuers/sharing.ts';
const prove = 'src/identities/prove.ts';
const check = 'src/trusted-issuers/check.ts';
const store = 'src/trusted-issuers/store.ts';

export const people: Defence[] = [
  ...provenBy(GAINS, 'a proof that ends is not made into a key that stays', [
    {
      name: 'people.no-lasting-key',
      promise: 'whoever proved a workload by a sign-in or a platform’s token gives it no key',
      file: 'src/clients/key-routes.ts',
      find: ' && caller.identity === undefined',
      replace: '',
    },
    {
      name: 'people.known-by-identity',
      promise: 'a token says by which identity it was got',
      file: 'src/oauth/provider.ts',
      find: '{ as: proof.as, identity }',
      replace: '{ as: proof.as }',
    },
  ]),
  ...provenBy(PEOPLE, 'a sign-in is taken or refused', [
    {
      name: 'people.audience',
      promise: 'a sign-in is one by the client that people sign in here with',
      file: signIn,
      find: 'audience !== login.client_id',
      replace: 'false',
    },
    {
      name: 'people.azp',
      promise: 'no other client asked for it',
      file: signIn,
      find: 'azp !== undefined && azp !== login.client_id',
      replace: 'false',
    },
    {
      name: 'people.typ',
      promise: 'an access token or a logout token is no sign-in',
      file: signIn,
      find: "(typ !== undefined && typ !== 'JWT')",
      replace: 'false',
    },
    {
      name: 'people.logout-token',
      promise: 'nor is a logout token that has no typ of its own',
      file: signIn,
      find: 'payload[name] !== undefined)',
      replace: 'false)',
    },
    {
      name: 'people.access-token',
      promise: 'nor is an access token that says so among its claims',
      file: signIn,
      find: '|| saysOtherwise ||',
      replace: '||',
    },
    {
      name: 'people.verified-name',
      promise: 'nobody is on record by an address that their issuer does not vouch for, however it says so',
      file: signIn,
      find: 'NOT_DOUBTED.has(email_verified) ? email',
      replace: 'email_verified !== false ? email',
    },
    {
      name: 'people.readable',
      promise: 'a name on record is one line, of characters that can be seen',
      file: signIn,
      find: 'name.length <= LONGEST_NAME && /^[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S} ]+$/u.test(name)',
      replace: 'true',
    },
  ]),
  ...provenBy(PEOPLE, 'neither a platform’s token is a sign-in, nor a sign-in a platform’s token', [
    {
      name: 'people.apart',
      promise: "a person's identity is proved by a sign-in alone, a platform's by the platform's token alone",
      file: prove,
      find: "identity.person === (shown === 'person') && matches(",
      replace: 'matches(',
    },
  ]),
  ...provenBy(PEOPLE, 'a person who is an administrator and a workload says which, or is what the resource is for', [
    {
      name: 'people.end',
      promise: 'what is given for a sign-in ends with it',
      file: 'src/oauth/federated.ts',
      find: "shown === 'person' ? 0 : row.maxOutliveSeconds",
      replace: 'row.maxOutliveSeconds',
    },
    {
      name: 'people.name-stays-here',
      promise: 'a name of a person is in no token for others',
      file: 'src/oauth/provider.ts',
      find: 'identity !== undefined && decision?.audience === apiAudience(issuerUrl)',
      replace: 'identity !== undefined',
    },
  ]),
  ...provenBy(PEOPLE, 'an administrator signs in without a key, and what she does is on record with her name', [
    {
      name: 'people.name-on-record',
      promise: 'acts are on record with the name of who signed in',
      file: 'src/oauth/authenticate.ts',
      find: 'scopes, as: token.as, identity: token.identity',
      replace: 'scopes, identity: token.identity',
    },
  ]),
  ...provenBy(PEOPLE, 'what is taken away lets nobody in, from its commit', [
    {
      name: 'people.tokens-out',
      promise: 'a token that is out stands and falls with the identity that it was given for',
      file: 'src/oauth/authenticate.ts',
      find: 'if (identity !== undefined && !(await within(SOON_MS, isLetIn(db, identity))))',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(PEOPLE, 'an act that is under way when its person is taken away is not done', [
    {
      name: 'people.acts-under-way',
      promise: 'so does an act that is under way',
      file: 'src/oauth/authenticate.ts',
      find: 'if (identity !== undefined && !(await isLetIn(trx, identity, true)))',
      replace: 'if (false)',
      engine: 'postgresql',
    },
  ]),
  ...provenBy(PEOPLE, 'nor is one that is under way when its issuer is suspended', [
    {
      name: 'people.issuer-under-way',
      promise: 'and with the trust in its issuer',
      file: 'src/identities/store.ts',
      find: ' for key share of t',
      replace: '',
      engine: 'postgresql',
    },
  ]),
  ...provenBy(ACTS, 'two who act by an identity of an issuer each give one of it', [
    {
      name: 'people.no-deadlock',
      promise: 'two who act by identities of one issuer do not wait for one another to give more of it',
      file: store,
      find: "to === 'change' ? found.forUpdate()",
      replace: 'to !== undefined ? found.forUpdate()',
      engine: 'postgresql',
    },
  ]),
  ...provenBy(ACTS, 'whoever changes an issuer waits for who acts by an identity of it', [
    {
      name: 'people.change-waits',
      promise: 'whoever changes an issuer waits for acts by an identity of it that are under way',
      file: store,
      find: "to === 'change' ? found.forUpdate()",
      replace: "to === 'change' ? found.forNoKeyUpdate()",
      engine: 'postgresql',
    },
  ]),
  ...provenBy(PEOPLE, 'whoever lets people in holds what they get', [
    {
      name: 'people.power-behind',
      promise: 'whoever changes an issuer holds every scope of the administrators behind it',
      file: store,
      find: 'select unnest(a.scopes || ',
      replace: 'select unnest(array[]::text[] || ',
    },
  ]),
  ...provenBy(PEOPLE, 'where people may sign in, and who they may be', [
    {
      name: 'people.never-both',
      promise: 'no client_id is an audience that platforms’ tokens have',
      file: check,
      find: 'login.client_id === audience || login.client_id === issuerUrl || login.client_id.startsWith(`${issuerUrl}/`)',
      replace: 'false',
    },
    {
      name: 'people.exactly',
      promise: 'a person is named exactly, and not by a wildcard',
      file: 'src/identities/check.ts',
      find: 'if (allowWildcard) throw',
      replace: 'if (false) throw',
    },
  ]),
  ...provenBy(PEOPLE, 'a process of before there were people can change an issuer, and then nobody signs in', [
    {
      name: 'people.left-behind',
      promise: 'what a process that knows no people changed of an issuer lets none of them in',
      file: signIn,
      find: 'login && login_version === version ? login : undefined',
      replace: 'login ?? undefined',
    },
  ]),
  ...provenBy(SHARING, 'no token of cluster A is ever taken for cluster B’s', [
    {
      name: 'people.clusters-apart',
      promise: 'identities hang on the cluster whose key signed, and not on the iss that it shares',
      file: prove,
      find: '.filter(({ trusted_issuer }) => trusted_issuer === issuer.id)',
      replace: '',
    },
  ]),
  {
    name: 'people.locked',
    promise: 'clusters with one iss that are trusted at once are looked at one after the other',
    file: store,
    find: 'await sql`lock table trusted_issuers in share row exclusive mode`.execute(trx);',
    replace: '',
    test: [SHARING, 'of two with one kid that are trusted at once, at two replicas, one is'],
    engine: 'postgresql',
  },
  {
    name: 'people.asked-in-turn',
    promise: 'a stranger asks where to sign in so many times a second',
    file: 'src/trusted-issuers/login-routes.ts',
    find: 'limits.ask(request.ip);',
    replace: '',
    test: [PEOPLE, 'strangers ask where to sign in so many times a second'],
  },
  ...provenBy(SHARING, 'what would mix two clusters up is refused, and lets nobody in were it there', [
    {
      name: 'people.one-kid',
      promise: 'a kid that two clusters with one iss have verifies nothing',
      file: sharing,
      find: 'return more.length === 0 ? holding : undefined;',
      replace: 'return holding;',
    },
    {
      name: 'people.all-pasted',
      promise: 'issuers that share an iss have pasted keys, or take nothing',
      file: sharing,
      find: 'if (!named.every(mayShare)) return undefined;',
      replace: '',
    },
    {
      name: 'people.one-key',
      promise: 'two clusters with one iss have no key in common, by whatever name',
      file: sharing,
      find: "|| bytes.has(publicBytes(key).toString('base64'))",
      replace: '',
    },
  ]),
];

// The keys of trusted issuers: how they are fetched, kept and believed, and each for its own tokens; and what identities may name.
import { type Defence, provenBy } from './defence.ts';

const KEYS = 'test/federation/keys.test.ts';
const MISBEHAVING = 'test/federation/misbehaving.test.ts';
const CONFUSIONS = 'test/federation/key-confusions.test.ts';
const keys = 'src/trusted-issuers/keys.ts';
const fetch = 'src/trusted-issuers/fetch.ts';
const jwks = 'src/trusted-issuers/jwks.ts';

export const issuerKeys: Defence[] = [
  ...provenBy('test/federation/vectors.test.ts', 'tokens of each kind, taken and refused', [
    {
      name: 'federation.recycled',
      promise: 'an identity warns of a name that comes back, where no claim of the kind prevents it',
      file: 'src/identities/check.ts',
      find: "if (lasting.length === 0 && recycled !== '')",
      replace: 'if (false)',
    },
  ]),
  {
    name: 'federation.claim-names',
    promise: 'no claim is kept unchecked because its name fits nothing',
    file: 'src/identities/schema.ts',
    find: '...{ additionalProperties: false, maxProperties: 10 }',
    replace: 'maxProperties: 10',
    test: ['test/federation/api.test.ts', 'what an identity may be'],
  },
  ...provenBy(
    KEYS,
    'keys are rotated, asked for once a minute at most, one at a time, and dropped when the issuer drops them',
    [
      {
        name: 'federation.once-a-minute',
        promise: 'an unknown kid asks an issuer once a minute at most',
        file: keys,
        find: 'clock.monotonic() - hold.triedAt < FETCH_EVERY_MS',
        replace: 'false',
      },
      {
        name: 'federation.single-flight',
        promise: 'an issuer is asked by one at a time',
        file: keys,
        find: 'if (hold.underWay) return hold.underWay;',
        replace: '',
      },
    ],
  ),
  {
    name: 'federation.dropped',
    promise: 'a key that an issuer dropped passes for ten minutes at most while the issuer answers',
    file: keys,
    find: 'if (known && stands(hold)) {',
    replace: 'if (known) {',
    test: [KEYS, 'a key that its issuer dropped passes for ten minutes at most, however long nobody asked'],
  },
  ...provenBy(KEYS, 'nobody waits for an issuer that is asked often, and while it is away only who asks it first', [
    {
      name: 'federation.beside',
      promise: 'tokens of an issuer that is asked often do not wait for it',
      file: keys,
      find: 'if (age(hold) >= RENEW_BESIDE_MS) void renew(issuer, hold);',
      replace: '',
    },
    {
      name: 'federation.away',
      promise: 'while an issuer is away, tokens do not wait for it each time',
      file: keys,
      find: ' || clock.monotonic() - hold.failedAt < RENEW_AFTER_MS',
      replace: '',
    },
    {
      name: 'federation.away-before',
      promise: 'that an issuer was away long ago lets no key pass that it dropped',
      file: keys,
      find: 'clock.monotonic() - hold.failedAt < RENEW_AFTER_MS',
      replace: 'hold.failure !== undefined',
    },
  ]),
  {
    name: 'federation.kept',
    promise: 'the last good keys verify for six hours while the issuer is away, and no longer',
    file: keys,
    find: 'age(hold) < KEPT_MS ? hold.keys : undefined',
    replace: 'hold.keys',
    test: [KEYS, 'the last good keys are kept while the issuer is away, for six hours'],
  },
  ...provenBy(MISBEHAVING, 'an issuer that misbehaves is not believed, and what is wrong is said', [
    {
      name: 'federation.discovery-issuer',
      promise: 'discovery of another issuer is not believed',
      file: fetch,
      find: "document['issuer'] !== issuer",
      replace: 'false',
    },
    {
      name: 'federation.same-host',
      promise: 'keys come from the host of their issuer, unless pinned',
      file: fetch,
      find: 'found?.origin !== url.origin',
      replace: 'found === null',
    },
    {
      name: 'federation.status',
      promise: 'a redirect is not followed, an error is no answer',
      file: fetch,
      find: 'answer.status !== 200',
      replace: 'false',
    },
    {
      name: 'federation.content-type',
      promise: 'what is not JSON by its type is no answer',
      file: fetch,
      find: "!type.test(answer.contentType ?? '')",
      replace: 'false',
    },
    {
      name: 'federation.many-keys',
      promise: 'a set of keys is bounded',
      file: jwks,
      find: '|| keys.length > MAX_KEYS',
      replace: '',
    },
  ]),
  ...provenBy(CONFUSIONS, 'no key is taken for another, and nothing for a signature', [
    {
      name: 'federation.key-algorithm',
      promise: 'a key of an issuer verifies with the algorithm that it names, and no other',
      file: jwks,
      find: 'alg === undefined ? fitting : fitting.filter((name) => name === alg)',
      replace: 'fitting',
    },
    {
      name: 'federation.key-kind',
      promise: 'a key of an issuer verifies with algorithms of its kind alone',
      file: 'src/trusted-issuers/verify.ts',
      find: '!key?.algorithms.includes(token.algorithm)',
      replace: '!key',
    },
  ]),
  ...provenBy(KEYS, 'keys that verify nothing are left out', [
    {
      name: 'federation.private-key',
      promise: 'a key whose private half is published verifies nothing',
      file: jwks,
      find: 'PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))',
      replace: 'false',
    },
    {
      name: 'federation.weak-key',
      promise: 'short keys and small exponents verify nothing',
      file: jwks,
      find: 'modulusLength >= 2048 && modulusLength <= 8192 && publicExponent === 65537n',
      replace: 'true',
    },
    {
      name: 'federation.twin-kid',
      promise: 'two keys of one kid verify nothing',
      file: jwks,
      find: 'key && !found.has(kid) ?',
      replace: 'key ?',
    },
    {
      name: 'federation.use',
      promise: 'a key for encryption verifies nothing',
      file: jwks,
      find: "use !== undefined && use !== 'sig' && !uses.includes(use as string)",
      replace: 'false',
    },
  ]),
  {
    name: 'federation.confused',
    promise: 'no token of one issuer is taken for one of another',
    file: 'src/identities/store.ts',
    find: 'from trusted_issuers t where t.issuer = ${issuer}) as issuers',
    replace: "from trusted_issuers t where rtrim(lower(t.issuer), '/') = rtrim(lower(${issuer}), '/')) as issuers",
    also: [
      {
        file: 'src/trusted-issuers/sharing.ts',
        find: 'issuers.filter((one) => one.issuer === issuer)',
        replace: '[...issuers]',
      },
    ],
    test: ['test/federation/confused.test.ts', 'no token of issuer A is taken for one of issuer B'],
  },
];

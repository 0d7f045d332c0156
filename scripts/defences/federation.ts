// Going out for keys, and what others say of a workload: trusted issuers, identities, federated tokens.
import { type Defence, provenBy } from './defence.ts';

const EGRESS = 'test/reach/egress.test.ts';
const egress = 'src/reach/egress.ts';
const addresses = 'src/reach/egress-addresses.ts';

const FEDERATED = 'test/federation/token.test.ts';
const VECTORS = 'test/federation/vectors.test.ts';
const MATCH = 'test/federation/match.test.ts';
const KEYS = 'test/federation/keys.test.ts';
const SHOWN = 'test/federation/shown.test.ts';
const API = 'test/federation/api.test.ts';
const verify = 'src/trusted-issuers/verify.ts';
const check = 'src/trusted-issuers/check.ts';
const keys = 'src/trusted-issuers/keys.ts';
const fetch = 'src/trusted-issuers/fetch.ts';
const jwks = 'src/trusted-issuers/jwks.ts';
const federated = 'src/oauth/federated.ts';
const prove = 'src/identities/prove.ts';
const match = 'src/identities/match.ts';
const shown = 'src/identities/shown.ts';

export const federation: Defence[] = [
  ...provenBy(EGRESS, 'which addresses are gone to', [
    {
      name: 'egress.special-4',
      promise: 'no private, loopback, shared or documentation IPv4 address is gone to',
      file: addresses,
      find: ': !SPECIAL_4(address)',
      replace: ': true',
    },
    {
      name: 'egress.global-6',
      promise: 'of IPv6 only what is global is gone to: no mapped, translated, local or unassigned address',
      file: addresses,
      find: 'GLOBAL_6(address) && !SPECIAL_6(address)',
      replace: '!SPECIAL_6(address)',
    },
    {
      name: 'egress.special-6',
      promise: 'no IPv6 address that stands for an IPv4 address is gone to',
      file: addresses,
      find: 'GLOBAL_6(address) && !SPECIAL_6(address)',
      replace: 'GLOBAL_6(address)',
    },
    {
      name: 'egress.never',
      promise: 'metadata addresses are never gone to, whatever is configured',
      file: addresses,
      find: 'if (NEVER(address)) return false;',
      replace: '',
    },
  ]),
  ...provenBy(EGRESS, 'an address in the URL is refused in each of its spellings, and nobody is connected to', [
    {
      name: 'egress.literal',
      promise: 'an address in a URL is looked at, though no name is resolved',
      file: egress,
      find: 'if (isIP(literal)) assertMayGo(url, [literal]);',
      replace: '',
    },
    {
      name: 'egress.user',
      promise: 'a URL with a user is not gone to',
      file: egress,
      find: "url.username !== '' || url.password !== ''",
      replace: 'false',
    },
    {
      name: 'egress.scheme',
      promise: 'nothing but http and https is asked',
      file: egress,
      find: "url.protocol !== 'https:' && url.protocol !== 'http:'",
      replace: 'false',
    },
  ]),
  {
    name: 'egress.at-connect',
    promise: 'the address that is connected to is the one that was looked at',
    file: egress,
    find: 'resolve(name).then(',
    replace: 'resolve(name).then(() => resolve(name)).then(',
    test: [EGRESS, 'a name that changes its answer is connected to where it was looked at, or not at all'],
  },
  {
    name: 'egress.every-address',
    promise: 'a name with one address that may not be gone to is not gone to',
    file: egress,
    find: 'assertMayGo(url, addresses);',
    replace: 'assertMayGo(url, addresses.slice(0, 1));',
    test: [EGRESS, 'a name that changes its answer is connected to where it was looked at, or not at all'],
  },
  {
    name: 'egress.https',
    promise: 'plain http goes to configured addresses alone',
    file: egress,
    find: "url.protocol !== 'https:' && !allowed(address)",
    replace: 'false',
    test: [EGRESS, 'plain http goes where configuration allows, and nowhere else'],
  },
  {
    name: 'egress.size',
    promise: 'no more than 64 kB of an answer are read',
    file: egress,
    find: 'maxBody: EGRESS_MAX_BODY, ',
    replace: '',
    test: [EGRESS, 'no redirect, no large body, no long wait'],
  },
  {
    name: 'egress.self-test',
    promise: 'a start whose guard lets a request through to this machine fails',
    file: 'src/service.ts',
    find: 'await assertGuarded(',
    replace: 'void (',
    test: [EGRESS, 'a start proves that the guard refuses this machine'],
  },
  ...provenBy(FEDERATED, 'a token is refused for each of its faults', [
    {
      name: 'federation.signature',
      promise: 'a token is signed by the issuer that it names',
      file: verify,
      find: '!(await verifies(token.token, key.key, token.algorithm))',
      replace: 'false',
    },
    {
      name: 'federation.algorithm',
      promise: 'an issuer signs with the algorithms that are allowed for it',
      file: verify,
      find: '!issuer.algorithms.includes(token.algorithm)',
      replace: 'false',
    },
    {
      name: 'federation.audience',
      promise: 'a token at the token endpoint names the issuer of this service',
      file: federated,
      find: 'audience !== tokenAudience',
      replace: 'false',
    },
    {
      name: 'federation.one-audience',
      promise: 'a token that another may show as well is refused',
      file: verify,
      find: 'more.length > 0',
      replace: 'false',
    },
    {
      name: 'federation.expiry',
      promise: 'a token that has ended proves nothing',
      file: verify,
      find: 'expiresAt < now + 1',
      replace: 'false',
    },
    {
      name: 'federation.exp',
      promise: 'a token without an end proves nothing',
      file: verify,
      find: '!Number.isInteger(exp)',
      replace: 'false',
    },
    {
      name: 'federation.longest',
      promise: 'a token lives no longer than is taken of its issuer',
      file: verify,
      find: 'expiresAt - from > issuer.max_token_seconds',
      replace: 'false',
    },
    {
      name: 'federation.future',
      promise: 'a token from the future proves nothing',
      file: verify,
      find: '(value as number) > now + TOLERANCE_SECONDS',
      replace: 'false',
    },
    {
      name: 'federation.typ',
      promise: 'a token of another kind proves nothing',
      file: verify,
      find: '!KIND[issuer.kind].typ.includes(token.typ as string | undefined)',
      replace: 'false',
    },
    {
      name: 'federation.subject-text',
      promise: 'a subject that a database cannot hold is refused',
      file: verify,
      find: '/^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$/.test(value)',
      replace: 'true',
    },
  ]),
  ...provenBy(FEDERATED, 'our own tokens are never exchanged', [
    {
      name: 'federation.depth-one',
      promise: 'an exchanged token cannot be exchanged again',
      file: verify,
      find: 'if (isOurs(iss, issuerUrl)) throw',
      replace: 'if (false) throw',
    },
    {
      name: 'federation.not-itself',
      promise: 'the service cannot be made to trust itself',
      file: check,
      find: 'if (isOurs(issuer.issuer, issuerUrl))',
      replace: 'if (false)',
    },
  ]),
  ...provenBy(FEDERATED, 'a service account proves its workload, asserted and exchanged, and is on record', [
    {
      name: 'federation.end',
      promise: 'a workload token ends with the proof that it was given for',
      file: 'src/oauth/provider.ts',
      find: 'Math.floor(proof.endsAt - clock.wall() / 1000)',
      replace: 'TOKEN_LIFE_SECONDS',
    },
    {
      name: 'federation.client-id',
      promise: 'a proof of one workload is not taken for another that is named beside it',
      file: federated,
      find: 'clientId !== undefined && clientId !== workload',
      replace: 'false',
    },
  ]),
  ...provenBy(FEDERATED, 'what the two grants are asked with', [
    {
      name: 'federation.one-way',
      promise: 'one way of proving oneself in a request',
      file: 'src/oauth/routes.ts',
      find: '(exchange ? OF_CREDENTIALS : OF_EXCHANGE).find((name) => form.has(name))',
      replace: 'undefined as string | undefined',
    },
  ]),
  ...provenBy(FEDERATED, 'a one-time token is taken once, however many show it at once', [
    {
      name: 'federation.replay',
      promise: 'a one-time token is taken once, by one atomic insert',
      file: prove,
      find: 'return { issuer, jti, expiresAt: new Date((exp + 60) * 1000) };',
      replace: 'return undefined;',
    },
    {
      name: 'federation.jti',
      promise: 'a one-time token has a jti',
      file: prove,
      find: "if (typeof jti !== 'string' || !/^[!-~]{1,255}$/.test(jti)) throw",
      replace: "if (typeof jti !== 'string') return undefined;\n  if (!/^[!-~]{1,255}$/.test(jti)) throw",
    },
  ]),
  ...provenBy(FEDERATED, 'what is taken away works no more, from its commit', [
    {
      name: 'federation.suspended',
      promise: 'a suspended issuer proves nobody, from the commit of its suspension',
      file: verify,
      find: "|| issuer.state !== 'active'",
      replace: '',
    },
    {
      name: 'federation.epoch',
      promise: 'what was proved under another policy epoch is proved again',
      file: federated,
      find: 'Math.min(client.epoch, epoch)',
      replace: 'client.epoch',
    },
    {
      name: 'federation.report-only',
      promise: 'an identity that only reports lets nobody in',
      file: prove,
      find: 'const [first, ...others] = all.filter(({ report_only }) => !report_only);',
      replace: 'const [first, ...others] = all;',
    },
    {
      name: 'federation.reported',
      promise: 'and what it would let in is on record',
      file: prove,
      find: 'await report(reporting);',
      replace: '',
    },
  ]),
  ...provenBy(VECTORS, 'tokens of each kind, taken and refused', [
    {
      name: 'federation.claims',
      promise: 'claims match exactly: no list, no missing one, no other type',
      file: match,
      find: 'readClaim(payload, name) === value',
      replace: 'String(readClaim(payload, name) ?? value) === String(value)',
    },
    {
      name: 'federation.wildcard',
      promise: 'a wildcard is the anchored end of a subject',
      file: match,
      find: 'subject.startsWith(prefix) && subject.length > prefix.length',
      replace: 'subject.includes(prefix)',
    },
    {
      name: 'federation.recyclable',
      promise: 'names that others can register again warn',
      file: 'src/identities/check.ts',
      find: 'if (missing.length > 0)',
      replace: 'if (false)',
    },
  ]),
  {
    name: 'federation.list-on-the-way',
    promise: 'no claim is looked for within a list',
    file: match,
    find: "typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step)",
    replace: "typeof value !== 'object' || value === null",
    test: [MATCH, 'no claim match is satisfied by a missing claim or by a list'],
  },
  {
    name: 'federation.overlap',
    promise: 'two identities that one token could have are found to overlap',
    file: match,
    find: '!Object.hasOwn(b.claims, name) || b.claims[name] === value',
    replace: 'b.claims[name] === value',
    test: [MATCH, 'two rules that one token satisfies overlap, and are found by its subject'],
  },
  {
    name: 'federation.confused',
    promise: 'no token of one issuer is taken for one of another',
    file: 'src/identities/store.ts',
    find: '(select to_jsonb(t) from trusted_issuers t where t.issuer = ${issuer}) as issuer',
    replace:
      "(select to_jsonb(t) || jsonb_build_object('issuer', ${issuer}::text) from trusted_issuers t where rtrim(lower(t.issuer), '/') = rtrim(lower(${issuer}), '/') limit 1) as issuer",
    test: ['test/federation/confused.test.ts', 'no token of issuer A is taken for one of issuer B'],
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
    name: 'federation.kept',
    promise: 'the last good keys verify for six hours while the issuer is away, and no longer',
    file: keys,
    find: 'age(hold) < KEPT_MS ? hold.keys : undefined',
    replace: 'hold.keys',
    test: [KEYS, 'the last good keys are kept while the issuer is away, for six hours'],
  },
  ...provenBy(KEYS, 'an issuer that misbehaves is not believed, and what is wrong is said', [
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
  ...provenBy(SHOWN, 'a token of a pod gets credentials, where its audience is that endpoint', [
    {
      name: 'federation.shown-audience',
      promise: 'a token that names the issuer is for the token endpoint alone',
      file: shown,
      find: '!parseAudience(issuerUrl, audience) || !accepts(audience)',
      replace: 'false',
    },
    {
      name: 'federation.shown-recorded',
      promise: 'a token shown at the credentials endpoint is on record as a mint',
      file: shown,
      find: 'await stream.append({ entry, epoch:',
      replace: 'await stream.append({ epoch:',
    },
    {
      name: 'federation.shown-suspended',
      promise: 'nothing is minted for a suspended workload',
      file: shown,
      find: "workload.state !== 'active'",
      replace: 'false',
    },
  ]),
  {
    name: 'federation.shown-once',
    promise: 'a one-time token is shown at the credentials endpoint once',
    file: shown,
    find: ', replay: proved.replay }',
    replace: ' }',
    test: [SHOWN, 'a one-time token is shown there once'],
  },
  ...provenBy('test/http/scopes.test.ts', 'nobody gives away what they do not hold, nor touches one who holds more', [
    {
      name: 'federation.power-behind',
      promise: 'whoever changes an issuer holds every scope of the workloads behind it',
      file: 'src/trusted-issuers/routes.ts',
      find: 'requireSuperset(caller.scopes, await store.listScopesBehind(trx, issuer.id), `Changing ${issuer.name}`);',
      replace: '',
    },
    {
      name: 'federation.power-given',
      promise: 'whoever gives a workload an identity holds its scopes',
      file: 'src/identities/routes.ts',
      find: 'requireEditable(caller, workload);',
      replace: '',
    },
  ]),
  ...provenBy(API, 'one external identity belongs to one workload', [
    {
      name: 'federation.nobody-elses',
      promise: 'an identity that could be of another workload is refused',
      file: 'src/identities/change.ts',
      find: 'if (!other) return;',
      replace: 'if (true) return;',
    },
    {
      name: 'federation.locked',
      promise: 'whoever gives identities of one issuer at once is served one after the other',
      file: 'src/trusted-issuers/store.ts',
      find: 'const row = await found.forUpdate().executeTakeFirst();',
      replace: 'const row = await found.executeTakeFirst();',
      engine: 'postgresql',
    },
  ]),
  ...provenBy(API, 'what an identity may be', [
    {
      name: 'federation.anchored',
      promise: 'a wildcard stands behind a separator',
      file: 'src/identities/check.ts',
      find: '!/[:/]\\*$/.test(subject)',
      replace: 'false',
    },
    {
      name: 'federation.on-purpose',
      promise: 'a wildcard is allowed on purpose',
      file: 'src/identities/check.ts',
      find: 'if (at >= 0 && !allowWildcard) throw',
      replace: 'if (false) throw',
    },
  ]),
];

// What a platform says of a workload: its token, whose it is, and what is given for it.
import { type Defence, provenBy } from './defence.ts';

const FEDERATED = 'test/federation/token.test.ts';
const VECTORS = 'test/federation/vectors.test.ts';
const MATCH = 'test/federation/match.test.ts';
const SHOWN = 'test/federation/shown.test.ts';
const API = 'test/federation/api.test.ts';
const verify = 'src/trusted-issuers/verify.ts';
const check = 'src/trusted-issuers/check.ts';
const federated = 'src/oauth/federated.ts';
const prove = 'src/identities/prove.ts';
const match = 'src/identities/match.ts';
const shown = 'src/identities/shown.ts';

export const federation: Defence[] = [
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
      find: 'if (iss === issuerUrl || iss.startsWith(`${issuerUrl}/`)) throw',
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
      file: prove,
      find: 'matched.find(({ owner }) => owner === client)',
      replace: 'matched[0]',
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
      find: "issuer?.state !== 'active'",
      replace: '!issuer',
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
      find: 'const enforced = all.filter(({ report_only }) => !report_only);',
      replace: 'const enforced = all;',
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
      find: 'requireEditable(caller, client);',
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
  {
    name: 'federation.locked',
    promise: 'whoever gives identities of one issuer at once is served one after the other',
    file: 'src/trusted-issuers/store.ts',
    find: 'const row = await locked.executeTakeFirst();',
    replace: 'const row = await (locked && found).executeTakeFirst();',
    test: [API, 'of two that are given one identity at once, at two replicas, one gets it'],
    engine: 'postgresql',
  },
];

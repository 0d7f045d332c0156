// Signing keys: the arithmetic, seasoning, retirement, views, and what is published.
import { type Defence, provenBy } from './defence.ts';

const POLICY = 'test/keys/policy.test.ts';
const VIEW = 'test/keys/view.test.ts';
const PLAIN = 'test/issuers/plain-request.test.ts';
const policy = 'src/keys/policy.ts';
const view = 'src/keys/view.ts';

export const keys: Defence[] = [
  ...provenBy(POLICY, 'the two seeds are sound', [
    {
      name: 'keys.seasoning-cache',
      promise: 'published to activation: at least A + D + e (A)',
      file: policy,
      find: 'policy.verifierCache + policy.oldestServed + policy.clockError',
      replace: 'policy.oldestServed + policy.clockError',
    },
    {
      name: 'keys.seasoning-served',
      promise: 'published to activation: at least A + D + e (D)',
      file: policy,
      find: 'policy.verifierCache + policy.oldestServed + policy.clockError',
      replace: 'policy.verifierCache + policy.clockError',
    },
    {
      name: 'keys.seasoning-error',
      promise: 'published to activation: at least A + D + e (e)',
      file: policy,
      find: 'policy.verifierCache + policy.oldestServed + policy.clockError',
      replace: 'policy.verifierCache + policy.oldestServed',
    },
    {
      name: 'keys.retirement-signed',
      promise: 'successor to removal: at least R + T + S + e (R)',
      file: policy,
      find: 'policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY + policy.clockError',
      replace: 'LONGEST_LIFE[purpose] + LEEWAY + policy.clockError',
    },
    {
      name: 'keys.retirement-life',
      promise: 'successor to removal: at least R + T + S + e (T)',
      file: policy,
      find: 'policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY + policy.clockError',
      replace: 'policy.oldestSigned + LEEWAY + policy.clockError',
    },
    {
      name: 'keys.retirement-leeway',
      promise: 'successor to removal: at least R + T + S + e (S)',
      file: policy,
      find: 'policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY + policy.clockError',
      replace: 'policy.oldestSigned + LONGEST_LIFE[purpose] + policy.clockError',
    },
    {
      name: 'keys.destruction',
      promise: 'a private half outlives its successor by R + e + 15 min',
      file: policy,
      find: 'policy.oldestSigned + policy.clockError + DESTROY_MARGIN',
      replace: 'policy.clockError + DESTROY_MARGIN',
    },
  ]),
  ...provenBy(POLICY, 'a policy one unit off is refused, with the arithmetic', [
    {
      name: 'keys.period',
      promise: 'the period is above A + D + e',
      file: policy,
      find: 'policy.period <= seasoning(policy)',
      replace: 'policy.period < seasoning(policy)',
    },
    {
      name: 'keys.crowded',
      promise: 'at most 10 keys by the arithmetic',
      file: policy,
      find: 'if (keys > MAX_KEYS)',
      replace: 'if (keys > 100)',
    },
    {
      name: 'keys.smallest-error',
      promise: 'e is at least a second',
      file: policy,
      find: 'policy.clockError < 1_000',
      replace: 'false',
    },
  ]),
  ...provenBy(POLICY, 'a lowered value counts only when nobody goes by the old one any more', [
    {
      name: 'keys.lowered-served',
      promise: 'a lowered A or D counts once the old A + D + e has passed',
      file: policy,
      find: 'Math.max(seasoning(old), old.oldestSigned + old.clockError)',
      replace: 'old.oldestSigned + old.clockError',
    },
    {
      name: 'keys.lowered-signed',
      promise: 'a lowered R counts once the old R + e has passed',
      file: policy,
      find: 'Math.max(seasoning(old), old.oldestSigned + old.clockError)',
      replace: 'seasoning(old)',
    },
    {
      name: 'keys.lowered-obeyed',
      promise: 'a replica obeys a lowered policy as soon as it knows it',
      file: policy,
      find: 'return newestOf(versions).policy;',
      replace: 'return (versions.at(-1) as PolicyVersion).policy;',
    },
  ]),
  ...provenBy(VIEW, 'nobody signs by a view of age R or more, and D ends serving', [
    {
      name: 'keys.view-signed',
      promise: 'nobody signs by a view of age R',
      file: view,
      find: 'clock.monotonic() - anchor.sent >= oldestSigned',
      replace: 'false',
    },
    {
      name: 'keys.view-served',
      promise: 'nobody serves a view of age D',
      file: view,
      find: '(anchor ?? restored) !== undefined && servedAge() < policy().oldestServed',
      replace: '(anchor ?? restored) !== undefined',
    },
    {
      name: 'keys.view-read',
      promise: 'nobody signs before the view was read',
      file: view,
      find: '!anchor || versions.length === 0',
      replace: 'false',
    },
  ]),
  ...provenBy(VIEW, 'a database that lacks what this process read is an older one, and everything is read anew', [
    {
      name: 'keys.view-older-database',
      promise: 'nobody serves keys of a future that the restored database does not know',
      file: view,
      find: '!changes.knows || ',
      replace: '',
    },
  ]),
  ...provenBy(VIEW, 'a database whose transactions count lower is another one, and everything is read anew', [
    {
      name: 'keys.view-lower-database',
      promise: 'nor misses what a database that counts anew changes',
      file: view,
      find: ' || BigInt(changes.horizon) < BigInt(horizon)',
      replace: '',
    },
  ]),
  ...provenBy(VIEW, 'nobody signs while clocks disagree', [
    {
      name: 'keys.clock-database',
      promise: "nobody signs while the clock is off the database's",
      file: view,
      find: 'if (offset > mostOff)',
      replace: 'if (offset < 0)',
    },
    {
      name: 'keys.clock-jump',
      promise: 'nobody signs while wall and monotonic time disagree',
      file: view,
      find: 'if (jump > mostOff)',
      replace: 'if (jump < 0)',
    },
  ]),
  ...provenBy(VIEW, 'a process sees its own change at once, though a refresh that had looked before it was under way', [
    {
      name: 'keys.own-change',
      promise: 'once a revocation was answered, this process accepts and signs nothing by the revoked key',
      file: view,
      find: "const refreshOnce = shareReads(refresh, () => '');",
      replace:
        'let joined: Promise<void> | undefined;\n  const refreshOnce = (_: undefined) => (joined ??= refresh().finally(() => (joined = undefined)));\n  void shareReads;',
    },
  ]),
  ...provenBy(VIEW, 'two small disagreements are one large one', [
    {
      name: 'keys.clock-both',
      promise: 'nobody signs while the two together are more than e',
      file: view,
      find: 'if (apart > mostOff)',
      replace: 'if (apart < 0)',
    },
  ]),
  ...provenBy(VIEW, 'a raised R is not for rings that were read before it', [
    {
      name: 'keys.policies-first',
      promise: 'a raised R lets nobody sign by rings older than it',
      file: view,
      find: '    rings = target;',
      replace: '    policies.splice(0, policies.length, ...(await listPolicyVersions(db)));\n    rings = target;',
    },
  ]),
  ...provenBy(VIEW, 'what a read of an unknown issuer brings is never older than what a refresh brought meanwhile', [
    {
      name: 'keys.loaded-late',
      promise: 'a late answer does not take rings back in time',
      file: view,
      find: 'if (!rings.find(issuer)) for',
      replace: 'for',
    },
  ]),
  ...provenBy(VIEW, 'an unknown issuer costs one read however many ask, and is then known', [
    {
      name: 'keys.single-flight',
      promise: 'an unknown issuer costs one read',
      file: view,
      find: 'rings.find(issuer) ?? loading.get(issuer)',
      replace: 'rings.find(issuer)',
    },
  ]),
  ...provenBy(PLAIN, 'a view that is too old is not served', [
    {
      name: 'keys.documents-served',
      promise: 'no document from a view of age D',
      file: 'src/issuers/routes.ts',
      find: 'view.mayServe() ? view.find(issuer ?? PLATFORM) : undefined',
      replace: 'view.find(issuer ?? PLATFORM)',
    },
  ]),
  ...provenBy(PLAIN, 'the internal listener has no connection issuers', [
    {
      name: 'keys.internal-listener',
      promise: 'the internal listener has no connection issuers',
      file: 'src/issuers/routes.ts',
      find: "name === undefined || (issuer !== undefined && which === 'platform')",
      replace: 'name === undefined',
    },
  ]),
  ...provenBy(PLAIN, 'a key set is rendered once, until its rings change or a key leaves by time', [
    {
      name: 'keys.rendered-anew',
      promise: 'a kept document never outlives a key that leaves',
      file: 'src/issuers/rendered.ts',
      find: 'kept.from <= now && now < kept.until',
      replace: 'true',
    },
  ]),
  ...provenBy(
    'test/issuers/routes.test.ts',
    'an unknown issuer is a 404 that nobody keeps; a malformed one is none at all',
    [
      {
        name: 'keys.unknown-issuer',
        promise: 'an unknown issuer is a no-store 404',
        file: 'src/http/problems.ts',
        find: "reply.header('cache-control', 'no-store');",
        replace: '',
      },
    ],
  ),
  ...provenBy(
    'test/keys/generator.test.ts',
    'RSA keys are made one after the other on a thread of the lowest priority, the others beside it',
    [
      {
        name: 'keys.generated-aside',
        promise: 'an RSA key is made where it holds up no request',
        file: 'src/keys/generator-thread.ts',
        find: 'setPriority(constants.priority.PRIORITY_LOW);',
        replace: 'void [setPriority, constants];',
      },
    ],
  ),
  ...provenBy('test/keys/generator.test.ts', 'the thread rests where many keys are wanted, and not where a few are', [
    {
      name: 'keys.generated-in-rests',
      promise: 'a thousand RSA keys that are wanted at once take a part of a processor',
      file: 'src/keys/generator.ts',
      find: 'if (rest > 0) await sleep(rest);',
      replace: 'void [rest, sleep];',
    },
  ]),
];

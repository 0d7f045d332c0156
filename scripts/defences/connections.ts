// Connections: what proves them, and the door to AWS.
import { type Defence, provenBy } from './defence.ts';

const ATTEMPT = 'test/connections/attempt.test.ts';
const JUDGE = 'test/connections/judge.test.ts';
const ROUTES = 'test/connections/routes.test.ts';
const REFUSALS = 'test/connections/refusals.test.ts';
const WORKLOADS = 'test/workloads/routes.test.ts';
const ENVIRONMENT = 'test/clouds/aws-environment.test.ts';
const attempt = 'src/connections/verification/attempt.ts';
const aws = 'src/clouds/aws.ts';
const jwk = 'src/clients/jwk.ts';

export const connections: Defence[] = [
  ...provenBy('test/connections/sandbox.test.ts', 'what was edited on the way shows up at STS, with the line to mend', [
    {
      name: 'connections.proof',
      promise: 'success at STS is the only proof',
      file: 'src/connections/verification/judge.ts',
      find: 'if (outcome.ok) {',
      replace: "if (outcome.ok || outcome.code === 'AccessDenied') {",
    },
  ]),
  ...provenBy(ATTEMPT, 'the session can do nothing, and is named so that it can be told', [
    {
      name: 'connections.deny-everything',
      promise: 'verification sessions can do nothing',
      file: attempt,
      find: 'policy: DENY_EVERYTHING',
      replace: 'policy: undefined',
    },
  ]),
  ...provenBy(ATTEMPT, 'another account, role or session is no proof', [
    {
      name: 'connections.account',
      promise: 'GetCallerIdentity returns the expected account',
      file: attempt,
      find: 'identity.account !== row.account_id',
      replace: 'false',
    },
    {
      name: 'connections.role',
      promise: 'and the expected role',
      file: attempt,
      find: 'identity.arn !== expected',
      replace: 'false',
    },
  ]),
  ...provenBy(JUDGE, 'another role of the same name is degraded, from wherever it is seen', [
    {
      name: 'connections.pinned-role',
      promise: "the role's unique id is pinned",
      file: 'src/connections/verification/judge.ts',
      find: 'roleId !== null && roleId !== outcome.roleId',
      replace: 'false',
    },
  ]),
  ...provenBy('test/connections/verifier.test.ts', 'an answer that comes too late changes nothing', [
    {
      name: 'connections.lease',
      promise: 'an answer that comes too late changes nothing',
      file: 'src/connections/verification/store.ts',
      find: ".where('leased_until', '=', until)",
      replace: '',
    },
  ]),
  ...provenBy(
    'test/connections/verifier.test.ts',
    'asked something else meanwhile: the answer to what was asked before does not count',
    [
      {
        name: 'connections.asked-anew',
        promise: 'an answer from before a change says nothing of what the change asks',
        file: 'src/connections/verification/store.ts',
        find: "await trx.updateTable('verifications').set({ leased_until: null }).where('connection', '=', connection).execute();",
        replace: '',
      },
      {
        name: 'connections.asked-anew-verifying',
        promise: 'what a change asks is asked also where the connection was not verified yet',
        file: 'src/connections/change.ts',
        find: 'carriesMore && isPolled(row.state)',
        replace: "carriesMore && row.state !== 'verifying' && isPolled(row.state)",
      },
    ],
  ),
  ...provenBy(
    'test/connections/verifier.test.ts',
    'late in a long backlog a lease lasts as long, and who is refused waits as long',
    [
      {
        name: 'connections.lease-anew',
        promise: 'a verification is leased from when it is taken, however long the backlog before it',
        file: 'src/connections/verifier.ts',
        find: 'const now = new Date(await readClock(db));',
        replace: 'now ??= new Date(await readClock(db));',
        also: [
          {
            file: 'src/connections/verifier.ts',
            find: 'const running = new Set<Promise<void>>();',
            replace: 'const running = new Set<Promise<void>>(); let now: Date | undefined;',
          },
        ],
      },
    ],
  ),
  ...provenBy(ROUTES, 'disconnecting is for good', [
    {
      name: 'connections.destroyed-keys',
      promise: 'disconnecting destroys the private keys',
      file: 'src/connections/change.ts',
      find: 'await rings.destroyPrivateKeys(trx, row.issuer);',
      replace: '',
    },
  ]),
  ...provenBy(REFUSALS, 'bad input is refused with a code and a hint, and changes nothing', [
    {
      name: 'connections.role-fixed',
      promise: 'a verified role ARN never changes',
      file: 'src/connections/schema.ts',
      find: 'description: \'"active" resumes, and accepts a role that was re-created.\' })), },',
      replace: "description: '' })), aws: Type.Optional(Type.Unknown()) },",
    },
    {
      name: 'connections.policy-grammar',
      promise: 'nothing in a custom policy is worked out by CloudFormation',
      file: 'src/connections/custom-policy.ts',
      find: '(?!Fn::)',
      replace: '',
    },
    {
      name: 'connections.dynamic-reference',
      promise: "nobody gets an account's secrets written into a custom policy",
      file: 'src/connections/custom-policy.ts',
      find: "if (text.includes('{{'))",
      replace: 'if (false)',
    },
  ]),
  ...provenBy(WORKLOADS, 'keys that nobody should register', [
    {
      name: 'connections.private-keys',
      promise: 'a private key is refused by name',
      file: jwk,
      find: 'if (found.length === 0) return;',
      replace: 'if (found) return;',
    },
    {
      name: 'connections.exponent',
      promise: 'keys that can be forged are refused: exponent',
      file: jwk,
      find: "if (e !== 'AQAB')",
      replace: 'if (false)',
    },
    {
      name: 'connections.modulus',
      promise: 'keys that can be forged are refused: size',
      file: jwk,
      find: 'bits < 2048 || bits > 4096',
      replace: 'false',
    },
    {
      name: 'connections.canonical-key',
      promise: 'one key has one thumbprint',
      file: jwk,
      find: "bytes.toString('base64url') !== value",
      replace: 'false',
    },
  ]),
  ...provenBy(WORKLOADS, 'audiences: https URLs in one spelling and URNs, none of ours, none of a cloud', [
    {
      name: 'connections.reserved-audiences',
      promise: "the issuer's, the token endpoint's and the clouds' own audiences cannot be registered",
      file: 'src/workloads/audiences.ts',
      find: 'if (isReservedAudience(audience, issuerUrl))',
      replace: 'if (false)',
    },
    {
      name: 'connections.canonical-audiences',
      promise: 'one audience has one spelling',
      file: 'src/workloads/audiences.ts',
      find: '!URN.test(audience) && !isCanonicalUrl(audience)',
      replace: 'false',
    },
  ]),
  ...provenBy('test/clouds/aws.test.ts', 'an account that is throttled uses up no retries of another', [
    {
      name: 'clouds.retries-apart',
      promise: "one connection's failures use up no retries of others",
      file: aws,
      find: 'client.config.retryStrategy = async () => new StandardRetryStrategy(client.config.maxAttempts);',
      replace: 'void StandardRetryStrategy;',
    },
  ]),
  ...provenBy('test/clouds/aws.test.ts', 'a region that is not in the list is never called', [
    {
      name: 'clouds.regions',
      promise: 'STS endpoints come from a list of regions, not from input',
      file: 'src/clouds/aws-regions.ts',
      find: "if (!partition) throw new RangeError('not a region of AWS that is known here');",
      replace: 'if (!partition) return `https://sts.${region}.amazonaws.com`;',
    },
  ]),
  ...provenBy(
    'test/clouds/aws.test.ts',
    'an error never carries the token, though AWS echoes it and the SDK keeps the request',
    [
      {
        name: 'clouds.errors',
        promise: 'errors hold no secret',
        file: aws,
        find: 'throw toStsError(error);',
        replace: 'throw Object.assign(toStsError(error), { cause: error });',
      },
    ],
  ),
  ...provenBy(ENVIRONMENT, 'each variable by itself, and all of them', [
    {
      name: 'clouds.fips',
      promise: 'the STS client is closed to the environment: FIPS',
      file: aws,
      find: 'useFipsEndpoint: false,',
      replace: '',
    },
    {
      name: 'clouds.dualstack',
      promise: 'closed to the environment: dual stack',
      file: aws,
      find: 'useDualstackEndpoint: false,',
      replace: '',
    },
    {
      name: 'clouds.retries',
      promise: 'closed to the environment: attempts',
      file: aws,
      find: 'maxAttempts: MAX_ATTEMPTS,',
      replace: '',
    },
    {
      name: 'clouds.unsigned',
      promise: 'AssumeRoleWithWebIdentity is unsigned',
      file: aws,
      find: "authSchemePreference: ['smithy.api#noAuth'],",
      replace: '',
    },
    {
      name: 'clouds.user-agent',
      promise: 'nothing of the environment is sent',
      file: aws,
      find: "userAgentAppId: 'countersign',",
      replace: '',
      also: [{ file: aws, find: "defaultUserAgentProvider: async () => [['countersign', '1']],", replace: '' }],
    },
    {
      name: 'clouds.trace',
      promise: 'no trace id of the environment is sent',
      file: aws,
      find: "client.middlewareStack.remove('recursionDetectionMiddleware');",
      replace: '',
    },
    {
      name: 'clouds.agents',
      promise: 'no proxy of the environment is used',
      file: aws,
      find: 'httpAgent: new HttpAgent(agent),',
      replace: 'httpAgent: new HttpAgent({ ...agent, proxyEnv: process.env } as never),',
    },
  ]),
];

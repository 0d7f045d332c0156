// Sessions in memory: whose they are, how long they are given, and how they are fetched.
import { type Defence, provenBy } from './defence.ts';

const SESSIONS = 'test/credentials/sessions.test.ts';
const PATIENCE = 'test/credentials/patience.test.ts';
const WHOSE = 'test/credentials/whose.test.ts';
const SEAL_UNSEEN = 'no session of before a seal or a suspension is given after it, though nobody asked meanwhile';
const sessionsFile = 'src/credentials/sessions.ts';
const authorize = 'src/credentials/authorize.ts';
const exchange = 'src/credentials/exchange.ts';

/** One member of the key taken out: somebody else's session fits. */
const withoutMember = (name: string, promise: string, find: string, replace: string): Omit<Defence, 'test'> => ({
  ...{ name: `sessions.key-${name}`, promise, file: authorize, find, replace },
});

export const sessions: Defence[] = [
  ...provenBy(WHOSE, 'no session reaches a caller that was not authorised for exactly it', [
    withoutMember('workload', "a session is its workload's alone", '...[workload.id, workload.slug,', '...['),
    withoutMember('connection', 'and of its connection', 'connection.id, connection.generation, aws.role_arn,', ''),
    withoutMember(
      'version',
      'a grant that was changed gets another session',
      'grant.version, grant.purpose,',
      'grant.purpose,',
    ),
    withoutMember('duration', 'so does another duration', 'durationSeconds, narrowed', 'narrowed'),
    withoutMember('policies', 'and another session policy', ", narrowed.digest('base64url')]", ']'),
    {
      name: 'sessions.handout-epoch',
      promise: 'nothing is handed out after a suspension, kept or fetched',
      file: 'src/credentials/broker.ts',
      find: "recordDecided(stream, { kind: 'credentials.handed_out',",
      replace: "recordDecided({ append: ({ entry }) => stream.append({ entry }) }, { kind: 'credentials.handed_out',",
    },
  ]),
  ...provenBy('test/seal/seal.test.ts', SEAL_UNSEEN, [
    withoutMember(
      'workload-version',
      'no session outlives a suspension in memory',
      '[sealChangedAt, workload.version]',
      '[sealChangedAt]',
    ),
    withoutMember(
      'seal',
      'nor a seal that was lifted before anybody saw it',
      '[sealChangedAt, workload.version]',
      '[workload.version]',
    ),
  ]),
  ...provenBy(
    'test/credentials/degraded.test.ts',
    'AccountMismatch: degraded until STS answers what fits, and STS is not asked for each caller',
    [
      withoutMember(
        'generation',
        'nothing that was fetched before a lie of STS is given after it, whatever it was for',
        'connection.id, connection.generation,',
        'connection.id,',
      ),
    ],
  ),
  ...provenBy('test/shared-reads.test.ts', 'no answer is older than its question', [
    {
      name: 'sessions.fresh-decision',
      promise: 'authorization is read after each request has asked, shared or not',
      file: 'src/shared-reads.ts',
      find: 'lane.next ??= lane.underWay.then(anew, anew);',
      replace: 'lane.next ??= lane.underWay;\n    void anew;',
    },
  ]),
  ...provenBy(SESSIONS, 'handed out until too little remains, fetched anew then', [
    {
      name: 'sessions.floor',
      promise: 'what is handed out lives long enough for the SDKs',
      file: sessionsFile,
      find: 'remaining >= floorMs(old.seconds)',
      replace: 'remaining >= 0',
    },
  ]),
  ...provenBy(
    'test/credentials/sts-faults.test.ts',
    "AWS's clock behind ours: the shortest session is given again all the same",
    [
      {
        name: 'sessions.given-life',
        promise: 'a clock of AWS that is behind ours makes no hand-out a call of STS',
        file: exchange,
        find: 'Math.min(durationSeconds, (expiresAt - now) / 1000)',
        replace: 'durationSeconds',
      },
    ],
  ),
  ...provenBy(SESSIONS, 'past half of its life its successor is fetched beside a hand-out, and never by itself', [
    {
      name: 'sessions.refresh',
      promise: 'a session in use is refreshed beside',
      file: sessionsFile,
      find: 'mayFetch && isPastHalf(old, remaining)',
      replace: 'false && isPastHalf(old, remaining)',
    },
  ]),
  ...provenBy(SESSIONS, 'a thousand who ask at once are one fetch, and nobody who leaves ends it', [
    {
      name: 'sessions.single-flight',
      promise: 'one call to STS for all who ask for the same at once',
      file: sessionsFile,
      find: 'if (underWay) return underWay.obtained;',
      replace: 'void underWay;',
    },
  ]),
  ...provenBy(SESSIONS, 'STS down: a session that lives is handed out to its last minute, and no longer', [
    {
      name: 'sessions.still-good',
      promise: 'who holds a session that lives is served while STS is down',
      file: sessionsFile,
      find: 'if (mayStandIn(error)) return old;',
      replace: 'void old;',
    },
  ]),
  ...provenBy(PATIENCE, 'who holds a session that lives waits for its successor for one second', [
    {
      name: 'sessions.patience',
      promise: 'and does not wait for longer than an SDK does while STS is slow',
      file: sessionsFile,
      find: 'patienceMs = 1000,',
      replace: 'patienceMs = 60_000,',
    },
  ]),
  ...provenBy(PATIENCE, 'a call of STS is over in ten seconds, and each attempt is left what AWS needs', [
    {
      name: 'sessions.sts-deadline',
      promise: 'no call of STS is waited for without end',
      file: 'src/clouds/aws.ts',
      find: 'callMs: 10_000,',
      replace: 'callMs: 60_000,',
    },
  ]),
  ...provenBy(SESSIONS, 'a refusal for good is remembered for ten seconds, one that passes is not', [
    {
      name: 'sessions.refusals',
      promise: 'what AWS refuses for good is not asked at every retry',
      file: sessionsFile,
      find: 'if (isLasting(error, decision)) refusals',
      replace: 'if (false) refusals',
    },
    {
      name: 'sessions.refusals-last',
      promise: 'and for all of ten seconds',
      file: sessionsFile,
      find: 'const PAUSE_MS = 10_000;',
      replace: 'const PAUSE_MS = 9000;',
    },
    {
      name: 'sessions.settling',
      promise: "AccessDenied of a connection's first minute is asked again",
      file: sessionsFile,
      find: "(connection.settled || error.awsCode !== 'AccessDenied')",
      replace: 'connection !== undefined',
    },
  ]),
  ...provenBy(SESSIONS, 'a refusal that is over does not lie in memory', [
    {
      name: 'sessions.refusals-swept',
      promise: 'what AWS refused is forgotten when it is over',
      file: 'src/credentials/refusals.ts',
      find: 'if (isOver(refused)) refusals.delete(key);',
      replace: 'void [isOver(refused), key];',
    },
  ]),
  ...provenBy(SESSIONS, "the account owner's no ends what was fetched before", [
    {
      name: 'sessions.owner',
      promise: "the owner's refusal ends what is kept",
      file: sessionsFile,
      find: 'if (isFromOwner(error)) kept.delete(key);',
      replace: 'void isFromOwner;',
    },
  ]),
  ...provenBy(SESSIONS, 'neither clock makes a session live longer', [
    {
      name: 'sessions.clocks',
      promise: 'a wall clock that was set back makes no session live longer',
      file: 'src/credentials/freshness.ts',
      find: 'Math.min(expiresAt - clock.wall(), seconds * 1000 - (clock.monotonic() - askedAt))',
      replace: 'expiresAt - clock.wall() + 0 * seconds * askedAt',
    },
  ]),
  ...provenBy(SESSIONS, 'what nobody may have is forgotten', [
    {
      name: 'sessions.sweep',
      promise: 'secrets that nobody may have do not lie in memory',
      file: sessionsFile,
      find: 'if (unconfirmed || ',
      replace: 'if (',
    },
  ]),
  {
    name: 'sessions.callers-policy',
    promise: "what AWS finds wrong with a caller's policy is the caller's to mend, and wakes no operator",
    file: exchange,
    find: 'narrowed && thrown instanceof StsError ? ofCallersPolicy(thrown) : thrown',
    replace: 'narrowed && thrown instanceof StsError ? ofCallersPolicy(thrown) && thrown : thrown',
    test: [
      'test/credentials/purposes.test.ts',
      'each purpose has its own policies and ceiling, and a caller may only narrow',
    ],
  },
  {
    name: 'sessions.managed-alone',
    promise: "a grant's managed policies bound its sessions where it has no policy of its own",
    file: 'src/clouds/aws.ts',
    find: 'input.policyArns === undefined || input.policyArns.length === 0',
    replace: 'input.policy === undefined || input.policyArns === undefined || input.policyArns.length === 0',
    test: [
      'test/credentials/purposes.test.ts',
      'each purpose has its own policies and ceiling, and a caller may only narrow',
    ],
  },
  {
    name: 'sessions.stand-in',
    promise: 'a session that lives is given on where the fault is ours',
    file: sessionsFile,
    find: "return isPassing(error) || (error instanceof StsError && error.side === 'ours');",
    replace: 'return isPassing(error);',
    test: [SESSIONS, 'STS down: a session that lives is handed out to its last minute, and no longer'],
  },
  {
    name: 'sessions.first-minute',
    promise: "AccessDenied is remembered when the connection's first minute is over",
    file: 'src/grants/decide.ts',
    find: "c.state_since < now() - interval '1 minute'",
    replace: 'false',
    test: ['test/grants/decide.test.ts', 'a decision carries all that the broker needs, of one snapshot'],
  },
];

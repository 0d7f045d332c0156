// The life cycle of signing keys: holds, changes of the policy, what is served before it signs, rotations in numbers.
import { type Defence, provenBy } from './defence.ts';

const HOLD = 'test/keys/hold.test.ts';
const hold = 'src/keys/hold.ts';
const POLICY = 'test/keys/policy.test.ts';
const policy = 'src/keys/policy.ts';
const CHANGE = 'test/keys/change-policy.test.ts';
const changePolicy = 'src/keys/change-policy.ts';

export const life: Defence[] = [
  ...provenBy(HOLD, 'held again: the latest word counts, and a resume puts the ring back where it would have been', [
    {
      name: 'life.resumed-plan',
      promise: 'a ring that is let go on rotates when it would have',
      file: hold,
      find: 'await store.setNextRotation(trx, ring.id, next ?? now);',
      replace: '',
    },
  ]),
  ...provenBy(HOLD, 'a hold has an end, in the future and within 90 days', [
    {
      name: 'life.hold-ends',
      promise: 'nobody stops rotations for good',
      file: hold,
      find: 'until <= now || until > now + LONGEST_HOLD',
      replace: 'false',
    },
  ]),
  ...provenBy(
    HOLD,
    'the ring of a removed connection is neither rotated nor held, and never comes back into the queue',
    [
      {
        name: 'life.retired',
        promise: 'no key is made for a connection that was removed',
        file: 'src/keys/conditions.ts',
        find: 'if (ring.retired) return ringRetired();',
        replace: '',
      },
      {
        name: 'life.retired-queue',
        promise: 'nor does its ring come back into the queue',
        file: 'src/keys/store.ts',
        find: ".where('next_rotation_at', '<', sql<Date>`'infinity'::timestamptz`)",
        replace: '',
      },
    ],
  ),
  ...provenBy('test/keys/hold-routes.test.ts', 'hold, look, resume', [
    {
      name: 'life.hold-reason',
      promise: 'nobody holds a ring without a reason',
      file: 'src/http/caller.ts',
      find: 'if (reason !== undefined) return reason;',
      replace: "return reason ?? '';",
    },
  ]),
  ...provenBy(POLICY, 'D below R is refused: nobody signs with a view that is too old to be served', [
    {
      name: 'life.d-below-r',
      promise: 'a policy whose D is below R is refused',
      file: policy,
      find: 'policy.oldestServed < policy.oldestSigned',
      replace: 'false',
    },
  ]),
  ...provenBy(CHANGE, 'a new version is on record; the same, a dry run and an unsound one are none', [
    {
      name: 'life.policy-version',
      promise: 'nobody overwrites a policy that they have not looked at',
      file: changePolicy,
      find: 'if (current.version !== replaces)',
      replace: 'if (false)',
    },
    {
      name: 'life.policy-unsound',
      promise: 'a policy that breaks a line of the arithmetic is refused',
      file: changePolicy,
      find: 'refuseUnsound(versions, next);',
      replace: '',
    },
  ]),
  ...provenBy(CHANGE, 'a period that only the lowered values allow is refused until they alone count', [
    {
      name: 'life.policy-beside',
      promise: 'a policy is judged beside what still counts of the one before',
      file: policy,
      find: 'const between = unsoundLines(effectivePolicy(all, next.since));',
      replace: 'const between = unsoundLines(next.policy);',
    },
  ]),
  ...provenBy(CHANGE, 'every ring is planned anew, by whichever replica, and what is held or removed stays so', [
    {
      name: 'life.planned-anew',
      promise: 'the plan of every ring follows the policy',
      file: 'src/keys/plan.ts',
      find: 'await planRings(trx, ids, readClock);',
      replace: '',
    },
    {
      name: 'life.planned-removed',
      promise: 'a removed connection does not come back by a change of the policy',
      file: 'src/keys/plan.ts',
      find: "and rings.next_rotation_at < 'infinity'",
      replace: '',
    },
  ]),
  ...provenBy(CHANGE, 'a rotation under way keeps the policy that it reckons with', [
    {
      name: 'life.policy-kept',
      promise: 'nobody obeys a longer R while a rotation that reckoned with the shorter is under way',
      engine: 'postgresql',
      file: 'src/keys/rotate.ts',
      find: 'await keepPolicy(trx);',
      replace: '',
    },
  ]),
  ...provenBy(CHANGE, 'a view that obeys a raised R has seen every rotation that reckoned with the lower one', [
    {
      name: 'life.policy-first',
      promise: 'a view reads the policy before the rings',
      file: 'src/keys/view.ts',
      find: '    rings = target;\n',
      replace: '    rings = target;\n    policies.splice(0, policies.length, ...(await listPolicyVersions(db)));\n',
    },
  ]),
  ...provenBy(CHANGE, 'views are read as often as the R of now asks for', [
    {
      name: 'life.refreshed',
      promise: 'a lowered R does not stop a healthy replica from signing',
      file: 'src/tasks.ts',
      find: 'view.policy().oldestSigned / 5',
      replace: '10_000',
    },
  ]),
  ...provenBy('test/issuers/served-check.test.ts', 'a standby signs only where strangers are given that very key', [
    {
      name: 'life.served',
      promise: 'a key is seen in the JWKS that strangers are given before it signs',
      file: 'src/issuers/served-check.ts',
      find: 'return fault === undefined ? undefined : notServed(url, fault);',
      replace: 'return undefined;',
    },
    {
      name: 'life.served-same',
      promise: 'to the letter, and not its name alone',
      file: 'src/issuers/served-check.ts',
      find: '(member) => named[0]?.[member] !== ours[member],',
      replace: '(member) => member === undefined,',
    },
    {
      name: 'life.served-answer',
      promise: 'what a cloud would not read does not count as served',
      file: 'src/issuers/served-check.ts',
      find: 'if (worst || !document)',
      replace: 'if (!document)',
    },
    {
      name: 'life.served-beside',
      promise: 'nor where the key that signs is missing beside it',
      file: 'src/issuers/served-check.ts',
      find: '?? (active && faultOf(keys, ring, active))',
      replace: '',
    },
  ]),
  ...provenBy('test/keys/queue.test.ts', 'due rings rotate oldest first', [
    {
      name: 'life.queue-order',
      promise: 'the ring that is due longest is rotated first',
      file: 'src/keys/queue.ts',
      find: 'order by next_rotation_at limit 1',
      replace: 'order by next_rotation_at desc limit 1',
    },
  ]),
  ...provenBy(
    'test/keys/queue.test.ts',
    'a ring whose rotation fails is passed by until its lease ends, and holds up nobody',
    [
      {
        name: 'life.queue-leased',
        promise: 'a ring that another process has is passed by',
        file: 'src/keys/queue.ts',
        find: 'and l.leased_until > ${at}::timestamptz)',
        replace: 'and false)',
      },
      {
        name: 'life.queue-passed-by',
        promise: 'a ring that fails does not hold up the others',
        file: 'src/keys/queue.ts',
        find: 'faults.push(error);',
        replace: 'throw error;',
      },
    ],
  ),
  ...provenBy('test/postgres/lease.test.ts', 'who finds a ring leased since it looked takes the next', [
    {
      name: 'life.queue-slower',
      promise: 'a replica that was slower goes on with what else is due',
      file: 'src/keys/queue.ts',
      find: 'if (row?.ring !== null) return row?.ring;',
      replace: 'return row?.ring ?? undefined;',
      engine: 'postgresql',
    },
  ]),
  ...provenBy('test/keys/queue.test.ts', 'rings that were born together rotate apart, none early', [
    {
      name: 'life.spread',
      promise: 'rings that were made together do not rotate together',
      file: 'src/keys/timeline.ts',
      find: 'Math.floor(lotOf(standby.kid) * policy.period * SPREAD)',
      replace: '0',
    },
  ]),
  ...provenBy('test/keys/runs.test.ts', 'no more in a minute than the rate, however many replicas', [
    {
      name: 'life.run-rate',
      promise: 'a rotation of many rings keeps its rate over all replicas',
      file: 'src/keys/runs/work.ts',
      find: '+ 60_000 / run.ratePerMinute',
      replace: '',
    },
  ]),
  ...provenBy(
    'test/keys/runs.test.ts',
    'a ring waits for its conditions, and one that was rotated meanwhile is not rotated again',
    [
      {
        name: 'life.run-once',
        promise: 'a ring that was rotated since is not rotated again',
        file: 'src/keys/runs/work.ts',
        find: '(active?.signsFrom ?? 0) > run.createdAt',
        replace: 'false',
      },
      {
        name: 'life.run-woken',
        promise: 'a ring that is let go on is looked at at once',
        file: 'src/keys/hold.ts',
        find: 'await wakeRing(trx, ring.id, now);',
        replace: 'await Promise.resolve(wakeRing);',
      },
    ],
  ),
  ...provenBy('test/keys/runs.test.ts', 'a cancelled run begins no ring', [
    {
      name: 'life.run-cancelled',
      promise: 'a cancelled rotation rotates nothing more',
      file: 'src/keys/runs/work.ts',
      find: 'if (!(await store.isRunOpen(trx, run.id))) return nothing;',
      replace: '',
    },
  ]),
];

// Key acts that commit in time: what is rolled back, what is done all the same, and what is said of it.
import { type Defence, provenBy } from './defence.ts';

const IN_TIME = 'test/keys/in-time.test.ts';
const SUCCESSOR = 'test/connections/canary/successor.test.ts';
const revoke = 'src/keys/revoke.ts';

export const inTime: Defence[] = [
  ...provenBy(IN_TIME, 'one that is too late each time is refused, and nothing is done', [
    {
      name: 'commit.in-time',
      promise: 'no key act commits later than half of e after the time in its rows',
      file: 'src/audit/stream.ts',
      find: 'if (done.inTime && !(await done.inTime(trx))) throw new TooLate();',
      replace: '',
    },
  ]),
  ...provenBy(IN_TIME, 'a rotation that commits too late is done anew, with a time of its own', [
    {
      name: 'commit.anew',
      promise: "a person's act is not lost to one slow commit",
      file: 'src/keys/in-time.ts',
      find: 'const TRIES = 3;',
      replace: 'const TRIES = 1;',
    },
  ]),
  ...provenBy(IN_TIME, 'a revocation is late rather than lost, and says so', [
    {
      name: 'commit.revocation',
      promise: 'a revocation is not lost to slowness',
      file: 'src/keys/in-time.ts',
      find: 'return await attempt(deps, actor, work, tried === TRIES);',
      replace: 'return await attempt(deps, actor, work, false);',
    },
    {
      name: 'commit.revocation-says',
      promise: 'a late revocation is on record, with what to do',
      file: revoke,
      find: 'if (late === 0) return result;',
      replace: 'if (late >= 0) return result;',
    },
  ]),
  ...provenBy(IN_TIME, 'a lowered policy counts from its time, and commits in time; a raised one may be late', [
    {
      name: 'commit.policy',
      promise: 'what is lowered in the policy does not count too short',
      file: 'src/keys/change-policy.ts',
      find: 'lowers(current.policy, policy) ? commitBy({ now, policy: current.policy }) : undefined',
      replace: 'undefined',
    },
  ]),
  ...provenBy('test/keys/view.test.ts', 'nobody signs while clocks disagree', [
    {
      name: 'clock.half',
      promise: 'clocks have half of e, commits the other',
      file: 'src/keys/policy.ts',
      find: 'return policy.clockError / 2;',
      replace: 'return policy.clockError;',
    },
  ]),
  ...provenBy(
    SUCCESSOR,
    'revoking the key that signs while STS refuses its standby: said beforehand, and replaced first',
    [
      {
        name: 'successor.refused',
        promise: 'no standby that STS refuses signs by a revocation before somebody accepted it',
        file: 'src/keys/successor.ts',
        find: 'refusals >= LOOKS && !acceptOutage',
        replace: 'false',
      },
      {
        name: 'successor.hold-ends',
        promise: 'a hold that was set for a standby ends with it',
        file: revoke,
        find: '...(await endHoldOf(trx, locked, gone, actor)),',
        replace: '',
      },
    ],
  ),
  ...provenBy(SUCCESSOR, "a person's hold does not end with a standby", [
    {
      name: 'successor.person-holds',
      promise: "a person's hold ends at its time, or by a person",
      file: 'src/keys/hold.ts',
      find: 'if (stands?.actor !== SYSTEM.id || !kids.some((kid) => stands.reason === heldBecauseRefused(kid))) return [];',
      replace: '',
    },
  ]),
  ...provenBy('test/keys/runs.test.ts', 'nothing more is rotated in the name of somebody who may not any more', [
    {
      name: 'runs.may-still',
      promise: 'who was suspended rotates nothing more, by what they began before',
      file: 'src/keys/runs/work.ts',
      find: 'if (!(await deps.mayStillRotate(trx, run.actor))) throw mayNoMore();',
      replace: '',
    },
  ]),
  ...provenBy('test/oauth/still-may.test.ts', 'active, with the scope, or the host itself', [
    {
      name: 'runs.may-still-what',
      promise: 'what a client is now counts, not what it was when it asked',
      file: 'src/oauth/still-may.ts',
      find: "client?.state === 'active' && client.scopes.includes(scope)",
      replace: 'client !== undefined',
    },
  ]),
  ...provenBy(
    'test/keys/runs.test.ts',
    'a queued rotation waits for its conditions, whatever is held, resumed or planned anew meanwhile',
    [
      {
        name: 'runs.queued',
        promise: 'a rotation that somebody asked for is not forgotten',
        file: 'src/keys/rotate.ts',
        find: "if (await hasTable(trx, 'rotation_runs')) {",
        replace: 'if (false) {',
      },
    ],
  ),
];

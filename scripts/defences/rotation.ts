// Rotation and revocation: what must hold before a key signs, and what a key's end is.
import { type Defence, provenBy } from './defence.ts';

const ROTATE = 'test/keys/rotate.test.ts';
const rotate = 'src/keys/rotate.ts';
const conditions = 'src/keys/conditions.ts';
const revoke = 'src/keys/revoke.ts';
const timeline = 'src/keys/timeline.ts';

export const rotation: Defence[] = [
  {
    name: 'keys.disconnected-last',
    promise: 'a disconnect beside a rotation leaves no private half behind',
    file: 'src/keys/store.ts',
    find: ".where('issuer', '=', issuer) .execute();",
    replace: ".where('issuer', '=', '') .execute();",
    test: [
      'test/postgres/disconnect.test.ts',
      'a rotation, then a disconnect: the standby that was just published goes, too',
    ],
    engine: 'postgresql',
  },
  ...provenBy(
    'test/tasks.test.ts',
    'what an older version left in a retired ring goes; what has its time stays, and a ring that lives',
    [
      {
        name: 'keys.left-behind',
        promise: 'a private half that an older version left behind a disconnect goes',
        file: 'src/keys/store.ts',
        find: "where r.next_rotation_at = 'infinity' and p.destroy_at is null",
        replace: "where r.next_rotation_at = '-infinity'",
      },
      {
        name: 'keys.left-behind-alone',
        promise: 'and no private half of a ring that lives with it',
        file: 'src/keys/store.ts',
        find: "where r.next_rotation_at = 'infinity' and p.destroy_at is null",
        replace: 'where p.destroy_at is null',
      },
    ],
  ),
  ...provenBy(ROTATE, 'every later key is seasoned A + D + e after its publication, not a millisecond before', [
    {
      name: 'keys.seasoned',
      promise: 'no key signs before every verifier may know it',
      file: conditions,
      find: 'standby && seasonedAt(standby, policy) > now',
      replace: 'standby && false',
    },
    {
      name: 'keys.born-with-ring',
      promise: 'only a key born with its ring is seasoned at birth',
      file: timeline,
      find: 'if (key.bornWithRing) return key.publishedAt;',
      replace: 'if (key) return key.publishedAt;',
    },
  ]),
  ...provenBy(ROTATE, 'a standby signs only where every check outside the database passes', [
    {
      name: 'keys.checked-now',
      promise: 'a standby that does not pass a check outside the database does not sign',
      file: rotate,
      find: 'if (problem) throw problem;',
      replace: 'void problem;',
    },
    {
      name: 'keys.checked-due',
      promise: 'nor does it by the clock',
      file: rotate,
      find: 'if (problem) return await postpone(deps, ring, problem);',
      replace: 'void problem;',
    },
    {
      name: 'keys.checked-is-activated',
      promise: 'what signs is the standby that the checks looked at',
      file: rotate,
      find: 'if (refused || standbyKey(locked.ring.keys, locked.now)?.kid === looked) return refused;',
      replace: 'if (true) return refused;',
    },
  ]),
  ...provenBy(ROTATE, 'a predecessor stays published R + T + S + e, and its private half R + e + 15 min', [
    {
      name: 'keys.removed',
      promise: 'a predecessor stays until no token of it lives, and no longer',
      file: timeline,
      find: "return now < key.removedAt ? 'verify_only' : 'removed';",
      replace: "return now < 0 ? 'removed' : 'verify_only';",
    },
    {
      name: 'keys.removed-late',
      promise: 'a predecessor is removed no earlier',
      file: rotate,
      find: 'now + retirement(policy, ring.purpose)',
      replace: 'now + retirement(policy, ring.purpose) - 1',
    },
    {
      name: 'keys.destroyed',
      promise: 'private halves are deleted when their time has come',
      file: 'src/keys/store.ts',
      find: 'if (predecessor) await setDestroyAt(trx, predecessor.kid, predecessor.destroyedAt);',
      replace: 'void predecessor;',
    },
  ]),
  ...provenBy(ROTATE, 'a hold stops rotations, never a revocation', [
    {
      name: 'keys.hold',
      promise: 'a hold stops rotations',
      file: conditions,
      find: 'ring.heldUntil !== undefined && ring.heldUntil > now',
      replace: 'false',
    },
  ]),
  ...provenBy(ROTATE, 'no more than ten keys are ever published', [
    {
      name: 'keys.full',
      promise: 'at most 10 keys in the set',
      file: conditions,
      find: 'publishedKeys(ring.keys, now).length + 1 > MAX_KEYS',
      replace: 'false',
    },
  ]),
  ...provenBy(ROTATE, 'revoking: the active key, the standby, a verify-only one', [
    {
      name: 'keys.revoked',
      promise: 'a revoked key leaves the JWKS',
      file: timeline,
      find: "if (key.revokedAt !== undefined) return 'revoked';",
      replace: '',
    },
    {
      name: 'keys.outage',
      promise: 'a revocation that would refuse callers waits for accept_outage',
      file: revoke,
      find: 'if (!input.acceptOutage)',
      replace: 'if (false)',
    },
    {
      name: 'keys.revoked-active',
      promise: "an active key's revocation is one transaction with its successor's activation",
      file: revoke,
      find: "if (was === 'active') await activateStandby(trx, deps.rings, locked, next, actor);",
      replace: '',
    },
    {
      name: 'keys.revoked-standby',
      promise: "a standby's revocation is one transaction with its replacement",
      file: revoke,
      find: "if (was === 'standby') await deps.rings.insertKey(trx, ring, next, now, false);",
      replace: '',
    },
  ]),
];

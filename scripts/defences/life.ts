// The life cycle of signing keys: holds, changes of the policy, what is served before it signs, rotations in numbers.
import { type Defence, provenBy } from './defence.ts';

const HOLD = 'test/keys/hold.test.ts';
const hold = 'src/keys/hold.ts';

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
];

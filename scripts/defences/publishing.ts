// Static publishing: seasoning by placement, and what the published copy is known not to hold.
import { type Defence, provenBy } from './defence.ts';

const PLACEMENTS = 'test/keys/placements.test.ts';
const timeline = 'src/keys/timeline.ts';
const placements = 'src/keys/placements.ts';

export const publishing: Defence[] = [
  ...provenBy(PLACEMENTS, 'seasoned A + e after it was placed, and never before A + D + e after its publication', [
    {
      name: 'publishing.seasoning-placed',
      promise: 'where documents are published, a standby is seasoned A + e after it was put in place',
      file: timeline,
      find: 'return Math.max(published, key.placement.placedAt + policy.verifierCache + policy.clockError);',
      replace: 'return published;',
    },
    {
      name: 'publishing.seasoning-published',
      promise: 'a placed standby is not seasoned before A + D + e after its publication either',
      file: timeline,
      find: 'return Math.max(published, key.placement.placedAt + policy.verifierCache + policy.clockError);',
      replace: 'return key.placement.placedAt + policy.verifierCache + policy.clockError;',
    },
  ]),
  ...provenBy(
    PLACEMENTS,
    'a standby that was not placed does not sign, however old it is; A + e after it was, it does',
    [
      {
        name: 'publishing.unplaced',
        promise: 'a standby that a published copy lacks does not sign',
        file: placements,
        find: 'if (lacking) return { lackedBy: lacking.target };',
        replace: 'if (lacking) return undefined;',
      },
    ],
  ),
  ...provenBy(
    PLACEMENTS,
    'every target counts, by the last time that it was placed there, until publishing to it ends',
    [
      {
        name: 'publishing.placed-anew',
        promise: 'a key that was put in place anew is seasoned anew',
        ...{ file: placements, find: 'select max(p.placed_at)', replace: 'select min(p.placed_at)' },
      },
      {
        name: 'publishing.turned-off',
        promise: 'what was placed before publishing was turned off counts no more when it is turned on anew',
        file: placements,
        find: 'where p.target = t.id and p.kid = k.kid',
        replace: 'where p.kid = k.kid',
      },
    ],
  ),
  ...provenBy(
    PLACEMENTS,
    'a revocation says which published copies still hold the key, until they are recorded without it',
    [
      {
        name: 'publishing.without',
        promise: 'a revoked key counts as gone only when every published copy is on record without it',
        file: placements,
        find: 'return (await listTargetsWith(db, kid)).length === 0;',
        replace: 'return (await listTargetsWith(db, kid)).length <= 1;',
      },
    ],
  ),
];

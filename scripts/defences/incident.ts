// Incidents: whole rings revoked, and what a report says of what was done.
import { type Defence, provenBy } from './defence.ts';

const ALL = 'test/keys/revoke-all.test.ts';
const revokeAll = 'src/keys/revoke-all.ts';

export const incident: Defence[] = [
  ...provenBy(ALL, 'a fresh key signs, with a fresh standby; every key before them is out, and its private half ends', [
    {
      name: 'incident.outage',
      promise: 'an outage is said before a whole ring is revoked',
      file: revokeAll,
      find: 'if (outage !== undefined && !acceptOutage)',
      replace: 'if (false)',
    },
    {
      name: 'incident.burnt-standby',
      promise: 'where the standby may be burnt too, a fresh key signs',
      file: revokeAll,
      find: 'const standbyIsBurnt = burnt.includes(standby);',
      replace: 'const standbyIsBurnt = false;',
    },
    {
      name: 'incident.private-halves',
      promise: 'the private halves of what was revoked end A + D + e later',
      file: 'src/keys/revoke.ts',
      find: 'await store.setDestroyAt(trx, kid, now + seasoning(policy));',
      replace: 'void seasoning;',
    },
  ]),
  ...provenBy(ALL, 'with a time: what was published since stays, so that it can be repeated', [
    {
      name: 'incident.resumed',
      promise: 'a revocation of many rings that is begun again revokes no fresh key',
      file: revokeAll,
      find: 'key.publishedAt < before',
      replace: 'before > 0',
    },
  ]),
  ...provenBy(ALL, 'the ring of a disconnected connection is emptied, and gets no new key', [
    {
      name: 'incident.retired',
      promise: 'a disconnected connection gets no private half again',
      file: 'src/keys/revoke.ts',
      find: 'if (!ring.retired) {',
      replace: 'if (true) {',
    },
  ]),
];

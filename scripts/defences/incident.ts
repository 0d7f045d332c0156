// Incidents: whole rings revoked, and what a report says of what was done.
import { type Defence, provenBy } from './defence.ts';

const DRILL = 'test/issuers/drill.test.ts';
const FACTS = 'test/cli/incident-facts.test.ts';
const DONE = 'test/incidents/incidents.test.ts';
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
      name: 'incident.forgeries',
      promise: 'a revocation says until when forgeries may pass: A + D + e',
      file: 'src/keys/revoke.ts',
      find: 'forgeries_until: iso(now + seasoning(policy))',
      replace: 'forgeries_until: iso(now + policy.verifierCache + policy.oldestServed)',
    },
  ]),
  ...provenBy(ALL, 'private halves of what was revoked end when nothing is proved with them any more', [
    {
      name: 'incident.private-halves',
      promise: 'the private halves of what was revoked end A + D + e later, where STS is shown what they sign',
      file: 'src/keys/revoke.ts',
      find: 'await store.setDestroyAt(trx, kid, now + seasoning(policy));',
      replace: 'undefined;',
    },
    {
      name: 'incident.unproved-halves',
      promise: 'a revoked key of the platform keeps its private half for R + e, and no longer',
      file: 'src/keys/revoke.ts',
      find: "if (ring.purpose === 'web_identity_token')",
      replace: 'if (ring)',
    },
    {
      name: 'incident.no-later',
      promise: 'a revocation moves the end of no private half of the platform to a later time',
      file: 'src/keys/store.ts',
      find: 'least(destroy_at, ${new Date(at).toISOString()}::timestamptz)',
      replace: '${new Date(at).toISOString()}::timestamptz',
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
  ...provenBy(FACTS, 'by the token that it was asked with; without a record of the token it was forged', [
    {
      name: 'incident.forged',
      promise: 'a report names exchanges with a token that was not minted here',
      file: 'src/cli/incident/facts.ts',
      find: 'if (forged.length < NAMED) forged.push(',
      replace: 'if (forged.length < 0) forged.push(',
    },
    {
      name: 'incident.tokens-before',
      promise: 'a report counts exchanges with tokens that were minted before the time',
      file: 'src/cli/incident/facts.ts',
      find: '- TOKEN_MS - TOKEN_SLACK_MS <= at',
      replace: '- 1 <= at',
    },
  ]),
  ...provenBy(FACTS, 'by the key of a connection: sessions that may live, that ended, that nobody knows of', [
    {
      name: 'incident.unknown',
      promise: 'an exchange without an outcome counts as a session that may live',
      file: 'src/cli/incident/facts.ts',
      find: 'else facts.unknown += 1;',
      replace: 'else return;',
    },
  ]),
  ...provenBy(DONE, 'the key of a connection', [
    {
      name: 'incident.denied',
      promise: "the policy of a notice denies the sessions from before, in AWS's whole seconds",
      file: 'src/cli/incident/notice.ts',
      find: "DateLessThan: { 'aws:TokenIssueTime': before }",
      replace: "DateLessThan: { 'aws:TokenIssueTime': '2026-01-01T00:00:00Z' }",
    },
    {
      name: 'incident.asked',
      promise: 'an incident does nothing that nobody said yes to',
      file: 'src/cli/incident/run.ts',
      find: 'if (!asks || !outside.ask)',
      replace: 'if (!asks || !outside.ask) return;\n  if (!outside.ask)',
    },
  ]),
  ...provenBy(DONE, 'the key-encryption key, and a dump', [
    {
      name: 'incident.kek-named',
      promise: 'which key-encryption key is to wrap is never guessed',
      file: 'src/cli/incident/everything.ts',
      find: 'if (to !== undefined && keks.some(({ id }) => id === to)) return to;',
      replace: "if (to !== '') return to ?? (keks[0] as { id: string }).id;",
    },
  ]),
  ...provenBy(DRILL, 'only a drill is ended as one, and one that was forgotten is ended by the next', [
    {
      name: 'incident.drill-scratch',
      promise: "ending a drill never touches a connection's keys",
      file: 'src/issuers/drill/drill.ts',
      find: 'if (!(await isScratch(deps.db, issuer)))',
      replace: 'if (false)',
    },
    {
      name: 'incident.drill-forgotten',
      promise: 'a drill that was interrupted leaves no private half behind',
      file: 'src/issuers/drill/drill.ts',
      find: 'await endDrill(deps, issuer, actor);',
      replace: 'void issuer;',
    },
  ]),
  ...provenBy(DRILL, 'where strangers do not read what they should, it says so, and ends all the same', [
    {
      name: 'incident.drill-looks',
      promise: 'a drill passes only where strangers read exactly the keys that should be published',
      file: 'src/cli/key-drill.ts',
      find: 'read.kids.join() === wanted.toSorted().join()',
      replace: 'read.kids.length > 0',
    },
    {
      name: 'incident.drill-ends',
      promise: 'a drill that goes wrong or is interrupted ends its scratch issuer itself',
      file: 'src/cli/key-drill.ts',
      find: 'await end().catch(',
      replace: 'await Promise.resolve(end).catch(',
    },
  ]),
];

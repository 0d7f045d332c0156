// Proof at STS before a key signs: what a canary is, who signs one, and what stops a rotation.
import { type Defence, provenBy } from './defence.ts';

const STANDBY = 'test/connections/canary/standby.test.ts';
const AHEAD = 'test/connections/canary/ahead.test.ts';
const MINT = 'test/tokens/canary.test.ts';
const show = 'src/connections/canary/show.ts';
const standby = 'src/connections/canary/standby.ts';
const mint = 'src/tokens/canary.ts';
const proofs = 'src/keys/proofs.ts';

const REFUSED = 'a standby that STS refuses while it takes the active key: the ring is held, and nobody is refused';
const NOT_ABOUT = 'a deletion that reached some of AWS’s hosts is not about the key, nor is a role that was made anew';

export const canaries: Defence[] = [
  ...provenBy(
    'test/connections/canary/service.test.ts',
    'rotate --now is proved at STS, and a revoked key until STS refuses it',
    [
      {
        name: 'canaries.wired',
        promise: 'a standby is proved at STS before it signs',
        file: 'src/service.ts',
        find: 'checks: [served, proofs.checkStandby]',
        replace: 'checks: [served]',
      },
    ],
  ),
  ...provenBy(STANDBY, REFUSED, [
    {
      name: 'canaries.refused',
      promise: 'a standby that STS refuses does not sign',
      file: standby,
      find: 'log.warn({ ring: ring.id, connection, ...problem.options.extra }, problem.message);\n      return problem;',
      replace: 'return void problem;',
    },
    {
      name: 'canaries.held',
      promise: 'and holds its ring',
      file: standby,
      find: 'refusals < LOOKS || !stands',
      replace: 'refusals < 0 || stands || !stands',
    },
    {
      name: 'canaries.looks',
      promise: 'one host of AWS’s is no verdict',
      file: standby,
      find: 'refusals < LOOKS || !stands',
      replace: '!stands',
    },
    {
      name: 'canaries.apart',
      promise: 'refusals count a minute apart',
      file: standby,
      find: "if (known.state === 'waiting')",
      replace: "if (known.state === 'waiting' && kid === '')",
    },
    {
      name: 'canaries.harm',
      promise: 'the alarm carries the time at which harm begins',
      file: standby,
      find: '?? now) + policy.period;',
      replace: '?? now);',
    },
    {
      name: 'canaries.alarm-ends',
      promise: 'the alarm ends with the key that is refused',
      file: proofs,
      find: 'and not exists (select from revocations v where v.kid = k.kid)',
      replace: '',
    },
  ]),
  ...provenBy(STANDBY, NOT_ABOUT, [
    {
      name: 'canaries.provider',
      promise: 'a customer’s deleted stack holds no ring, also where only some of AWS’s hosts know of it',
      file: show,
      find: "code === 'InvalidIdentityToken' && side !== 'account_owner'",
      replace: "code === 'InvalidIdentityToken' && side !== undefined",
    },
    {
      name: 'canaries.thumbprint',
      promise: 'nor does a certificate of a CA that AWS does not know',
      file: 'src/clouds/aws-errors.ts',
      find: 'configured thumbprint|',
      replace: '',
    },
    {
      name: 'canaries.about-key',
      promise: 'nor does anything else that STS says of a role, a trust or itself',
      file: show,
      find: "code === 'InvalidIdentityToken' && side !== 'account_owner'",
      replace: "code !== '' && side !== undefined",
    },
    {
      name: 'canaries.deny-everything',
      promise: 'a canary’s session can do nothing',
      file: show,
      find: 'durationSeconds: SESSION_SECONDS, policy: DENY_EVERYTHING',
      replace: "durationSeconds: SESSION_SECONDS, policy: DENY_EVERYTHING.replace('Deny', 'Allow')",
    },
  ]),
  ...provenBy(STANDBY, 'any other refusal: the rotation goes on by the clock, and no ring is held', [
    {
      name: 'canaries.active-too',
      promise: 'a refusal is about the key only between two successes of the active one',
      file: standby,
      find: "if (before.refusal) return { outcome: 'unclear', shown: before };",
      replace: '',
      also: [
        {
          file: standby,
          find: "return after.refusal ? { outcome: 'unclear', shown: after } : { outcome: 'refused', shown: standby };",
          replace: "return { outcome: 'refused', shown: standby };",
        },
      ],
    },
    {
      name: 'canaries.verifier',
      promise: 'a stack that is gone is found by the verifier, in its own time',
      file: standby,
      find: "if (refusal?.side === 'account_owner' || otherRole)",
      replace: 'if (otherRole)',
    },
  ]),
  ...provenBy(AHEAD, 'a standby that STS refuses is known weeks before it is to sign, and its replacement is in time', [
    {
      name: 'canaries.ahead',
      promise: 'a standby is proved as soon as it is seasoned',
      file: 'src/connections/canary/ahead.ts',
      find: 'await checkStandby(ring, standby);',
      replace: 'void checkStandby;',
    },
  ]),
  ...provenBy(AHEAD, 'connections that do not work are not asked for, nor is what STS said nothing of', [
    {
      name: 'canaries.ahead-once',
      promise: 'a customer’s deleted stack is not asked about again and again',
      file: 'src/connections/canary/store.ts',
      find: "order by l.at desc limit 1), 'refused') = 'refused'",
      replace: "order by l.at desc limit 1), 'refused') <> ''",
    },
  ]),
  ...provenBy(STANDBY, 'STS is asked once of each standby, and again after a day', [
    {
      name: 'canaries.once',
      promise: 'a proof is remembered',
      file: standby,
      find: "if (known.state === 'proved') return undefined;",
      replace: '',
    },
  ]),
  ...provenBy(STANDBY, 'no canary is shown that is not on record, or was decided before something changed', [
    {
      name: 'canaries.intent',
      promise: 'a canary is on record before STS sees it',
      file: show,
      find: "await append({ epoch, entry: entry('key.canary_intent', {}) });",
      replace: "void append({ epoch, entry: entry('key.canary_intent', {}) }).catch(() => {});",
    },
    {
      name: 'canaries.intent-epoch',
      promise: 'and none commits after a seal',
      file: show,
      find: "await append({ epoch, entry: entry('key.canary_intent', {}) });",
      replace: "await append({ entry: entry('key.canary_intent', {}) });",
    },
  ]),
  ...provenBy(STANDBY, 'where nothing may be shown to STS, nothing is minted, and the rotation goes by the clock', [
    {
      name: 'canaries.sealed',
      promise: 'a sealed service mints no canary',
      file: show,
      find: "if (seal) return { notAsked: 'sealed' };",
      replace: '',
    },
    {
      name: 'canaries.states',
      promise: 'a connection that is not brokered is shown no canary',
      file: 'src/connections/store.ts',
      find: ".where('c.state', 'in', ['active', 'degraded'])\n    .where('a.role_id'",
      replace: ".where('a.role_id'",
    },
    {
      name: 'canaries.pinned',
      promise: 'nor is one that STS never let in',
      file: 'src/connections/store.ts',
      find: "    .where('a.role_id', 'is not', null)\n",
      replace: '',
    },
  ]),
  ...provenBy(STANDBY, 'a standby whose private half cannot sign does not become active', [
    {
      name: 'canaries.can-sign',
      promise: 'a key that cannot sign does not become active',
      file: standby,
      find: 'if (error instanceof Problem) return error;',
      replace: 'if (error instanceof Problem) return undefined;',
    },
  ]),
  ...provenBy(MINT, 'no key that is not active signs but for canaries, whoever asks and however', [
    {
      name: 'canaries.key-states',
      promise: 'a key that is neither active nor standby signs no canary',
      file: mint,
      find: '(key ? !maySign(key) :',
      replace: '(key ? false :',
    },
    {
      name: 'canaries.seasoned',
      promise: 'nor does a standby that is not seasoned',
      file: mint,
      find: "(state === 'standby' && seasonedAt(key, view.policy()) <= view.now())",
      replace: "(state === 'standby' && seasonedAt(key, view.policy()) > 0)",
    },
    {
      name: 'canaries.revoked-only-proved',
      promise: 'a revoked key signs canaries only, and only while it is being proved',
      file: mint,
      find: '!(await deps.mayProveRevocation(ring, kid))',
      replace: '!(await deps.mayProveRevocation(ring, kid).then(() => true))',
    },
    {
      name: 'canaries.revoked-ends',
      promise: 'and no longer',
      file: proofs,
      find: "    .where('ended_at', 'is', null)\n    .where('destroy_at'",
      replace: "    .where('destroy_at'",
    },
  ]),
  ...provenBy(
    MINT,
    'a revoked key signs no canary when its time has come, proved or not, and no unrevoked one by that door',
    [
      {
        name: 'canaries.revoked-time',
        promise: 'at the latest until its private half is to be destroyed',
        file: proofs,
        find: "    .where('destroy_at', '>', new Date(now))\n",
        replace: '',
      },
    ],
  ),
  ...provenBy(MINT, 'nobody signs a canary with a view that is too old, or a clock that jumped', [
    {
      name: 'canaries.view',
      promise: 'canaries are signed by the rules of every token: a young view, a clock that agrees',
      file: mint,
      find: 'view.assertMaySign();',
      replace: '',
    },
  ]),
];

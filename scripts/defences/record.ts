// What is on record, and under which epoch, where the database or a clock does what it should not.
import { type Defence, provenBy } from './defence.ts';

const STREAM = 'test/audit/stream.test.ts';
const REVOKED = 'test/postgres/revoked.test.ts';

export const record: Defence[] = [
  {
    name: 'record.revoked-key',
    promise: 'no token is answered whose key was revoked before it was on record',
    file: 'src/oauth/record.ts',
    find: '(await stillPublished(kid)) ? undefined : UNAVAILABLE',
    replace: 'undefined',
    test: [
      REVOKED,
      'a token that a key signed before its revocation committed is not given after, and costs no assertion',
    ],
    engine: 'postgresql',
  },
  {
    name: 'record.revoked-before',
    promise: 'no key signs for an exchange that was decided after its revocation, at any replica',
    file: 'src/credentials/exchange.ts',
    find: 'await catchUp(decision.epoch);',
    replace: '',
    test: [REVOKED, 'an exchange that is decided after a revocation is signed by the successor'],
    engine: 'postgresql',
  },
  {
    name: 'record.revoked-before-token',
    promise: 'nor for a token that was decided after it',
    file: 'src/oauth/provider.ts',
    find: 'await catchUp(request.client.epoch);',
    replace: '',
    test: [REVOKED, 'a client that is met after a revocation has a token of the successor at once'],
    engine: 'postgresql',
  },
  {
    name: 'record.revoked-bearer',
    promise: 'no session is handed out on a token whose key was revoked, at any replica',
    file: 'src/grants/decide.ts',
    find: 'sql`exists (select from revocations where kid = ${kid})`',
    replace: 'sql`false`',
    test: [
      REVOKED,
      'no session is handed out on a token whose key was revoked, kept or not, wherever that is not read yet',
    ],
    engine: 'postgresql',
  },
  {
    name: 'record.shown-stands',
    promise: "nor on a platform's token whose identity was taken away while AWS STS was asked",
    file: 'src/identities/shown.ts',
    find: 'jti, kid, identity, expiresAt',
    replace: 'jti, kid, expiresAt',
    test: [
      'test/federation/shown.test.ts',
      'what a pod asked for is not given to it where its issuer is suspended meanwhile, and to who waits beside it',
    ],
  },
  {
    name: 'record.shown-alone',
    promise: 'but who waits for the same session by a proof of its own is',
    file: 'src/credentials/exchange.ts',
    find: 'authorize(decide, { subject: token.subject }, asked)',
    replace: 'authorize(decide, token, asked)',
    test: [
      'test/federation/shown.test.ts',
      'what a pod asked for is not given to it where its issuer is suspended meanwhile, and to who waits beside it',
    ],
  },
  {
    name: 'record.caught-up',
    promise: 'keys that could not be read under an epoch are not taken for read',
    file: 'src/tokens/revoked.ts',
    find: 'if (epoch === caughtUp) return;',
    replace: 'if (epoch === caughtUp) return;\n      caughtUp = epoch;',
    test: [
      'test/tokens/revoked.test.ts',
      'the keys are read once for each epoch, again after a read that failed, and a failure holds up nobody',
    ],
  },
  ...provenBy(STREAM, 'a refusal whose row could not be written is told so, and the next of its kind is the first', [
    {
      name: 'record.first',
      promise: 'a refusal whose row could not be written is not answered as if it were on record',
      file: 'src/audit/refusals.ts',
      find: 'if (first.count === 0) counts.delete(key);',
      replace: '',
    },
  ]),
  ...provenBy(STREAM, 'an entry that has no form as JSON is refused alone', [
    {
      name: 'record.alone',
      promise: 'an entry that cannot be written takes no others of its batch along',
      file: 'src/audit/stream.ts',
      find: '!hasForm(entry.entry)',
      replace: '!hasForm(entry.epoch)',
    },
  ]),
  ...provenBy('test/oauth/record.test.ts', 'the socket takes no text that a record cannot hold', [
    {
      name: 'record.socket-text',
      promise: "the host's socket takes no text that a record cannot hold",
      file: 'src/oauth/host-socket.ts',
      find: 'Type.String({ minLength: 1, maxLength, pattern: PRINTABLE })',
      replace: 'Type.String({ minLength: 1, maxLength })',
    },
  ]),
  ...provenBy('test/clouds/aws-errors.test.ts', 'a message is cut to what a record can hold', [
    {
      name: 'record.cut-message',
      promise: "a sentence of AWS's that is cut is text that a record can hold",
      file: 'src/clouds/aws-errors.ts',
      find: '.toWellFormed()',
      replace: '',
    },
  ]),
  ...provenBy(STREAM, 'a clock that leaps beyond the partitions and back ends no stream', [
    {
      name: 'record.month',
      promise: 'a clock that leaps to a month without a partition, and back, ends no audit stream',
      file: 'src/audit/stream.ts',
      find: 'if (!found) month = undefined;',
      replace: '',
    },
  ]),
  ...provenBy(STREAM, 'an epoch that a database lost does not come again', [
    {
      name: 'record.epoch-steps',
      promise: 'an epoch that a database lost does not come again',
      file: 'src/audit/store.ts',
      find: 'epoch + 1 + floor(random() * ${EPOCH_STEPS})::bigint',
      replace: 'epoch + 1 + 0 * ${EPOCH_STEPS}::bigint',
    },
  ]),
];

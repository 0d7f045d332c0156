// The failure table: what readiness tells of each fault, and that a fault is a refusal with a time to come back.
import { type Defence, provenBy } from './defence.ts';

const readiness = 'src/readiness.ts';

export const failures: Defence[] = [
  ...provenBy('test/audit/stream.test.ts', 'acts wait for their turn in a bounded number and for a bounded time', [
    {
      name: 'failures.acts-bounded',
      promise: 'no unbounded queue of changes',
      file: 'src/audit/turns.ts',
      find: 'waiting.all >= MAX_WAITING',
      replace: 'false',
    },
    {
      name: 'failures.acts-timely',
      promise: 'a change that waited too long is not begun',
      file: 'src/audit/turns.ts',
      find: 'clock.monotonic() - since > LONGEST_WAIT_MS',
      replace: 'false',
    },
  ]),
  ...provenBy('test/audit/turns.test.ts', 'one caller has a quarter of the places, and another has his', [
    {
      name: 'failures.acts-of-one',
      promise: 'one caller’s changes never take every place, such as that of its own suspension',
      file: 'src/audit/turns.ts',
      find: '(waiting.of.get(whose) ?? 0) >= MAX_OF_ONE',
      replace: 'false',
    },
    {
      name: 'failures.acts-places-back',
      promise: 'and a place is its caller’s again when the turn is over',
      file: 'src/audit/turns.ts',
      find: 'count(whose, -1);',
      replace: 'waiting.all -= 1;',
    },
  ]),
  ...provenBy(
    'test/audit/turns.test.ts',
    'acts are counted by who acts, and those of the service itself are not held back',
    [
      {
        name: 'failures.acts-by-actor',
        promise: 'an act is counted as one of who acts',
        file: 'src/audit/act.ts',
        find: 'whoseTurn(actor));',
        replace: 'undefined);',
      },
      {
        name: 'failures.acts-of-system',
        promise: 'and the service itself is nobody’s flood',
        file: 'src/audit/act.ts',
        find: 'if (id === SYSTEM.id) return undefined;',
        replace: '',
      },
      {
        name: 'failures.acts-of-the-host',
        promise: 'nor does one command on the host hold up another',
        file: 'src/audit/act.ts',
        find: "return id === 'host' ? jti : id;",
        replace: 'return id;',
      },
    ],
  ),
  ...provenBy(
    'test/db/within.test.ts',
    'an answer that came in time counts, however late a process that stood still reads it',
    [
      {
        name: 'failures.read-late',
        promise: 'an answer of the database that came in time is no outage, where this process stood still',
        file: 'src/db/within.ts',
        find: 'setTimeout(() => setImmediate(giveUp), ms)',
        replace: 'setTimeout(giveUp, ms)',
      },
    ],
  ),
  ...provenBy('test/postgres/failures.test.ts', 'every fault of the failure table, cell by cell', [
    {
      name: 'failures.audit-told',
      promise: 'a process that cannot write its records says that it is not ready',
      file: readiness,
      find: 'streams.some((stream) => stream.failing())',
      replace: 'false',
    },
    {
      name: 'failures.audit-tried-again',
      promise: 'and finds out by itself when it can again',
      file: 'src/audit/stream.ts',
      find: "if (failing) await append({ entry: { kind: 'stream.resumed' } });",
      replace: '',
    },
    {
      name: 'failures.key-told',
      promise: 'a key-encryption key that opens nothing is told at /readyz',
      file: readiness,
      find: '((await opens()) ? undefined : SHUT)',
      replace: 'undefined',
    },
    {
      name: 'failures.key-refused',
      promise: 'and refuses with 503, not with a failure that nobody named',
      file: 'src/keys/signer.ts',
      find: "throw unavailable('The private half of the signing key does not open.', error);",
      replace: 'throw error;',
    },
    {
      name: 'failures.read-only-told',
      promise: 'a database that takes no writes is told at /readyz',
      file: 'src/db/probe.ts',
      find: "rows[0]?.read_only ? 'the database is read-only' : undefined",
      replace: 'undefined',
    },
    {
      name: 'failures.refused-connections',
      promise: 'a database that lets nobody in is away, for now',
      file: 'src/db/away.ts',
      find: 'not currently accepting connections|',
      replace: '',
    },
    {
      name: 'failures.soon',
      promise: 'a token is refused within a second of being asked for, whatever the database does',
      file: 'src/db/within.ts',
      find: 'return await Promise.race([answer, late]).finally(() => clearTimeout(timer));',
      replace: 'clearTimeout(timer); void late; return await answer;',
    },
    {
      name: 'failures.clock',
      promise: 'nobody signs with a clock that is off or that jumped',
      file: 'src/keys/view.ts',
      find: 'if (offset > mostOff)',
      replace: 'if (false)',
      also: [{ file: 'src/keys/view.ts', find: 'if (jump > mostOff)', replace: 'if (false)' }],
    },
    {
      name: 'failures.old-view',
      promise: 'nobody signs with a view older than R',
      file: 'src/keys/view.ts',
      find: 'clock.monotonic() - anchor.sent >= oldestSigned',
      replace: 'false',
    },
  ]).map((defence): Defence => ({ ...defence, engine: 'postgresql' as const })),
];

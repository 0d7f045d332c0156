// The wire to PostgreSQL: what is not to be believed, and what must not end the process.
import { type Defence, provenBy } from './defence.ts';

const TEST = 'test/postgres/wire.test.ts';

export const wire: Defence[] = [
  ...provenBy(TEST, 'connections that nobody answers on any more are given up, all of them with the first', [
    {
      name: 'wire.silent',
      promise: 'a connection whose query ran out of time is not lent again',
      file: 'src/db/wire.ts',
      find: 'if (isServersAnswer(error)) return;',
      replace: 'return;',
    },
  ]),
  ...provenBy(
    TEST,
    'after a failover, connections to a server that only reads are given up, all of them with the first',
    [
      {
        name: 'wire.read-only',
        promise: 'a connection to a server that was demoted is not lent again',
        file: 'src/db/wire.ts',
        find: "['08P01', '25006']",
        replace: "['08P01']",
      },
    ],
  ),
  ...provenBy(TEST, 'in the clear, what cannot be read ends a connection and not the process', [
    {
      name: 'wire.unreadable',
      promise: 'garbage from the database does not end the process',
      file: 'src/db/wire.ts',
      find: "if (event !== 'data') return emit(event, ...args);",
      replace: 'return emit(event, ...args);',
    },
  ]),
  ...provenBy(TEST, 'bits that flip on an encrypted wire never make an answer', [
    {
      name: 'wire.unanswered',
      promise: 'a query without an answer is unavailability, not a fault of ours',
      file: 'src/db/away.ts',
      find: '|EPROTO|ERR_SSL_)/',
      replace: ')/',
      also: [{ file: 'src/db/away.ts', find: 'if (isUnanswered(error)) return true;', replace: '' }],
    },
  ]),
].map((defence): Defence => ({ ...defence, engine: 'postgresql' }));

// What fuzzing and killing must notice, whichever operation loses it.
import { type Defence, provenBy } from './defence.ts';

export const fuzz: Defence[] = [
  ...provenBy('test/postgres/fuzz.test.ts', 'every operation, valid and broken', [
    {
      name: 'fuzz.scopes',
      promise: 'no operation is carried out without its scope',
      file: 'src/http/caller.ts',
      find: 'if (missing.length === 0) return;',
      replace: 'return;',
    },
    {
      name: 'fuzz.hint',
      promise: 'every refusal says what to do',
      file: 'src/http/problems.ts',
      find: '...(problem.options.hint === undefined ? {} : { hint: problem.options.hint }),',
      replace: '',
    },
  ]),
  ...provenBy(
    'test/postgres/kills-at-start.test.ts',
    'forty kills of replicas that start: nothing answered is unrecorded, nothing is half done',
    [
      {
        name: 'kills.recorded',
        promise: 'a change and its record are durable together, before anybody hears',
        file: 'src/audit/stream.ts',
        find: "await insertRows(trx, rows).catch((error: unknown) => { throw unavailable('The audit record could not be written.', error); });",
        replace: 'setTimeout(() => void insertRows(database.db as never, rows).catch(() => {}), 40);',
      },
    ],
  ),
].map((defence): Defence => ({ ...defence, engine: 'postgresql' }));

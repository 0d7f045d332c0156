// `exec`: what the command that it runs is given, and what not.
import { type Defence, provenBy } from './defence.ts';

const EXEC = 'test/cli/exec.test.ts';

export const exec: Defence[] = [
  ...provenBy(EXEC, 'the bearer that a command gets opens the session that it was started with, and no other', [
    {
      name: 'exec.only',
      promise: 'a command that exec runs gets no other connection, purpose or duration of its workload',
      file: 'src/agent/server.ts',
      find: 'if (only && keyOf(wanted) !== keyOf(only))',
      replace: 'if (only && !keyOf(wanted))',
    },
    {
      name: 'exec.only-said',
      promise: 'exec tells its agent which session that is',
      file: 'src/cli/exec.ts',
      find: ', only: wanted }',
      replace: ' }',
    },
  ]),
];

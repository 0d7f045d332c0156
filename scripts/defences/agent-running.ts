// The agent as it runs: what it does by itself, and for how long.
import { type Defence, provenBy } from './defence.ts';

const RUNNING = 'test/agent/running.test.ts';

export const agentRunning: Defence[] = [
  ...provenBy(RUNNING, 'past half of its life a session is replaced, though nobody asks', [
    {
      name: 'agent.looks',
      promise: 'an agent looks by itself after the sessions that it keeps',
      file: 'src/agent/agent.ts',
      find: 'setInterval(() => sessions.look(), LOOK_MS)',
      replace: 'setInterval(() => {}, LOOK_MS)',
    },
  ]),
  ...provenBy(
    'test/agent/sessions.test.ts',
    'nobody is held any longer: it is tried for five minutes after he asked, and no more',
    [
      {
        name: 'agent.tries-for',
        promise: 'the service is asked again for minutes after the last caller gave up',
        file: 'src/agent/sessions.ts',
        find: 'TRIED_FOR_MS = 300_000',
        replace: 'TRIED_FOR_MS = 4000',
      },
    ],
  ),
  ...provenBy(RUNNING, 'who says nothing of it is held through an outage: by an agent, by exec, and by exec --static', [
    {
      name: 'agent.holds',
      promise: 'an agent that is told nothing of it holds its callers for longer than SDKs try',
      file: 'src/cli/agent.ts',
      find: 'integer(1, 600),\n          120,',
      replace: 'integer(1, 600),\n          4,',
    },
    {
      name: 'exec.holds',
      promise: 'so does exec',
      file: 'src/cli/exec.ts',
      find: 'HOLD_SECONDS = 120',
      replace: 'HOLD_SECONDS = 4',
    },
  ]),
];

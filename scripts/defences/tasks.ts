// What the service deletes by itself: nothing early by a clock of its own, and all that is over.
import { type Defence, provenBy } from './defence.ts';

const TASKS = 'test/tasks.test.ts';
const tasks = 'src/tasks.ts';

export const deletion: Defence[] = [
  ...provenBy(TASKS, 'a replica whose clock is ahead deletes nothing that still guards', [
    {
      name: 'tasks.database-clock',
      promise: 'a replica whose clock is ahead does not delete the replay keys of all',
      file: tasks,
      find: 'new Date((await readClock(db)) - ms)',
      replace: 'new Date(clock.wall() - ms)',
    },
  ]),
  ...provenBy(TASKS, 'a backlog of many batches is gone after one turn', [
    {
      name: 'tasks.batches',
      promise: 'private halves and replay keys are deleted as fast as their time ends',
      file: 'src/background.ts',
      find: 'mayBeMore = (await batch(limit)) >= limit;',
      replace: 'mayBeMore = (await batch(limit)) < 0;',
    },
  ]),
  ...provenBy(
    'test/keys/runs.test.ts',
    'a service that ends begins no more rings, though its run is behind its rate; another goes on with it',
    [
      {
        name: 'tasks.ends',
        promise: 'a service that ends waits for what it has begun alone, and closes its streams in time',
        file: 'src/background.ts',
        find: 'run(() => stopped)',
        replace: 'run(() => false)',
      },
    ],
  ),
];

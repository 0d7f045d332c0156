// A process that takes a turn under a lock again and again, writes down when it comes and goes, and at last dies inside.
import { appendFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { withLock } from '../../src/cli/file-lock.ts';

const [, , file = '', log = '', turns = ''] = process.argv;
const say = (what: string): void => appendFileSync(log, `${what} ${process.pid}\n`);
// Nobody rests: whoever waits looks at the very moment at which another dies.
const outside = { sleep: () => setImmediate(undefined), now: Date.now };

for (let turn = 1; ; turn++) {
  await withLock(file, outside, async () => {
    say('in');
    await setImmediate();
    // As by kill -9: nothing of this process runs after it.
    if (turn === Number(turns)) {
      say('dies');
      process.kill(process.pid, 'SIGKILL');
    }
    say('out');
  });
}

// One process at a time by a file, whoever dies or hangs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withLock } from '../../src/cli/file-lock.ts';
import { temporaryFolder } from './stand-in.ts';

const HOLDER = join(import.meta.dirname, 'lock-holder.ts');

t.test('no two are in at once, when one is killed inside while others wait', async (t) => {
  const folder = temporaryFolder(t);
  const [file, log] = [join(folder, 'lock'), join(folder, 'log')];
  const live = async (): Promise<void> => {
    const child = spawn(process.execPath, [HOLDER, file, log, '5'], { stdio: 'inherit' });
    t.teardown(() => child.kill('SIGKILL'));
    const [, signal] = await once(child, 'exit');
    t.equal(signal, 'SIGKILL');
  };
  // Four at a time, and each that dies is followed by another.
  const inTurn = async (): Promise<void> => {
    for (let n = 0; n < 8; n++) await live();
  };
  await Promise.all([inTurn(), inTurn(), inTurn(), inTurn()]);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  const wrong = lines.filter((line, n) => {
    const [what, pid] = line.split(' ');
    const before = lines[n - 1];
    return what === 'in' ? n > 0 && before?.startsWith('in') : before !== `in ${pid}`;
  });
  t.same(wrong, [], 'who comes in finds nobody, and who goes was alone');
  t.equal(lines.filter((line) => line.startsWith('dies')).length, 32);
});

t.test('in one process as well; and whoever waits too long is told', async (t) => {
  const file = join(temporaryFolder(t), 'lock');
  let now = 0;
  const outside = { sleep: async (ms: number) => void (now += ms), now: () => now };
  const done = await withLock(file, outside, async () => {
    await t.rejects(
      withLock(file, outside, async () => t.fail('two are in')),
      { code: 'lock_held', message: /for 180 s/, hint: /countersign/ },
    );
    t.equal(now, 180_000);
    return 'done';
  });
  t.equal(done, 'done');
  await t.rejects(
    withLock(file, outside, async () => {
      throw new Error('the work');
    }),
    { message: 'the work' },
  );
  t.equal(await withLock(file, outside, async () => 'given back'), 'given back');
});

// Where keys are made: RSA on a thread of its own that gives way to the rest.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { createGenerator } from '../../src/keys/generator.ts';

/** The priorities of this process's threads (proc(5), field 19: nice). */
function readPriorities(): number[] {
  return readdirSync('/proc/self/task').map((task) =>
    Number(readFileSync(`/proc/self/task/${task}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' ')[16]),
  );
}

t.test('RSA keys are made one after the other on a thread of the lowest priority, the others beside it', async (t) => {
  const generate = createGenerator();
  const before = process.platform === 'linux' ? readPriorities() : [];
  const [first, second] = [await generate('RS256'), await generate('RS256')];
  for (const key of [first, second])
    t.match(key, {
      ...{ type: 'private', asymmetricKeyType: 'rsa' },
      asymmetricKeyDetails: { modulusLength: 2048, publicExponent: 65537n },
    });
  t.notOk(first.equals(second));
  t.match(await generate('ES256'), { asymmetricKeyType: 'ec' });
  if (process.platform !== 'linux') return;
  const lower = (priorities: number[]) => priorities.filter((nice) => nice === 19).length;
  t.equal(lower(readPriorities()), lower(before) + 1, 'one thread for both');
});

t.test('the thread rests where many keys are wanted, and not where a few are', async (t) => {
  const time = { at: 0, looks: 0, rests: 0 };
  const generate = createGenerator({
    // Looked at before a rest, before a key and after it: each takes 100 ms.
    clock: { monotonic: () => (time.at += ++time.looks % 3 === 0 ? 100 : 0) },
    sleep: async (milliseconds) => {
      time.rests += 1;
      time.at += milliseconds;
    },
  });
  const make = async (count: number): Promise<void> => {
    for (let key = 0; key < count; key += 1) await generate('RS256');
  };
  await make(2);
  t.equal(time.rests, 0, 'no rest for the two of a ring');
  await make(28);
  t.ok(time.at >= 3 * 30 * 100, `30 keys of 100 ms each take a third of the time at most: ${time.at} ms`);
  time.at += 60_000;
  const { rests } = time;
  await make(2);
  t.equal(time.rests, rests, 'nor after a while without any');
});

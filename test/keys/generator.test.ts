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

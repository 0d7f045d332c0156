// The deadline of a call of an SDK: what its caller hears, and what is left of it.
import t from 'tap';
import { withDeadline } from '../../src/clouds/deadline.ts';

t.test('what is answered in time is the answer, and leaves no timer', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  t.equal(await withDeadline(60_000, async () => 'answered'), 'answered');
  await t.rejects(
    withDeadline(60_000, async () => {
      throw new Error('refused');
    }),
    { message: 'refused' },
  );
  t.equal(timers(), before);
});

t.test('out of time, the caller hears of that, and not of the abort that ends the call', async (t) => {
  let ended = false;
  const sent = withDeadline(1, (abortSignal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    abortSignal.addEventListener('abort', () => {
      ended = true;
      reject(Object.assign(new Error('aborted'), { name: 'AbortError' }));
    });
    return promise;
  });
  await t.rejects(sent, { name: 'TimeoutError' });
  t.ok(ended, 'nothing goes on behind it');
});

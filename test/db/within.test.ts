// How long a caller waits for the database.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { within } from '../../src/db/within.ts';
import { standStill } from '../support/stand-still.ts';

t.test('what comes in time is given, and what does not is refused', async (t) => {
  t.equal(await within(60_000, sleep(1, 'the answer')), 'the answer');
  await t.rejects(within(60_000, Promise.reject(new Error('no such table'))), { message: 'no such table' });
  await t.rejects(within(1, new Promise(() => {})), { code: 'unavailable' });
});

t.test('an answer that came in time counts, however late a process that stood still reads it', async (t) => {
  // Read by the loop as an answer on a socket is.
  const { port1: near, port2: far } = new MessageChannel();
  t.teardown(() => near.close());
  const answer = once(near, 'message').then(() => 'the answer');
  const given = within(100, answer);
  far.postMessage('the answer is here');
  standStill(110);
  t.equal(await given, 'the answer');
});

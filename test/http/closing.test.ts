// SIGTERM under load: a request in flight is answered, and its connection does not hold up the end.
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { closeAsTheyIdle } from '../../src/http/closing.ts';
import { createServer } from '../../src/http/server.ts';
import { findLastingPort } from '../support/ports.ts';

t.test('a listener closes soon after the last answer', async (t) => {
  const port = await findLastingPort();
  const server = createServer({ hosts: new Set([`127.0.0.1:${port}`]), logger: pino({ level: 'silent' }) });
  closeAsTheyIdle(server);
  let arrived = (): void => {};
  const inFlight = new Promise<void>((resolve) => (arrived = resolve));
  let release = (): void => {};
  const answered = new Promise<void>((resolve) => (release = resolve));
  server.get('/', async () => {
    arrived();
    await answered;
    return 'late';
  });
  await server.listen({ host: '127.0.0.1', port });
  // fetch keeps the connection for a next request.
  const answer = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text());
  await inFlight;
  let closed = false;
  const closing = server.close().then(() => (closed = true));
  await delay(150);
  t.notOk(closed, 'not over the head of a request');
  release();
  t.equal(await answer, 'late');
  t.equal(await Promise.race([closing, delay(60_000, 'still open', { ref: false })]), true);
});

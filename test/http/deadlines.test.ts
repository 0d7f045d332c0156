// Deadlines of a request: headers and bodies that do not arrive are not waited for.
import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import { createServer } from '../../src/http/server.ts';

/** Says something, then nothing; @returns what came back until the server closed, and after how many milliseconds. */
async function fallSilent(port: number, said: string): Promise<{ text: string; ms: number }> {
  const began = performance.now();
  const socket = connect(port, '127.0.0.1', () => socket.write(said));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return { text, ms: performance.now() - began };
}

t.test('who falls silent in its headers or its body is told so and let go', async (t) => {
  const server = createServer({ hosts: new Set(['x']), logger: pino({ level: 'silent' }) });
  server.post('/', async () => ({}));
  await server.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => server.close());
  const { port } = server.server.address() as { port: number };
  const start = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const [headers, body] = await Promise.all([
    fallSilent(port, start),
    fallSilent(port, `${start}Content-Length: 10\r\n\r\n{`),
  ]);
  for (const [name, limit, { text, ms }] of [
    ['headers', 10_000, headers],
    ['body', 15_000, body],
  ] as const) {
    t.match(text, /^HTTP\/1\.1 408 /, name);
    t.match(text, /"code":"request_timeout"/, name);
    t.ok(ms > limit - 1000 && ms < limit + 30_000, `${name}: ${Math.round(ms)} ms`);
  }
});

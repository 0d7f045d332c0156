// Connections: how many at once and of one address, and what becomes of those who do not send, do not read, or do nothing.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { callerOf, createRanges, findRangeFault } from '../../src/http/addresses.ts';
import { createTraffic, type Traffic } from '../../src/http/connections.ts';
import { DEADLINES } from '../../src/http/node-server.ts';
import { createServer, type ServerOptions } from '../../src/http/server.ts';
import { loadCertificate } from '../../src/http/tls.ts';
import { systemClock } from '../../src/clock.ts';
import { makeCertificate } from '../support/certificates.ts';
import { findLastingPort } from '../support/ports.ts';
import { startTestService, tempDir } from '../support/service.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const isProxy = (): boolean => false;

async function listen(
  t: Test,
  options: Partial<ServerOptions>,
  answer = 'here',
): Promise<{ port: number; traffic: Traffic }> {
  const traffic = createTraffic();
  const server = createServer({ hosts: new Set(['x']), logger: pino({ level: 'silent' }), traffic, ...options });
  server.get('/', async () => answer);
  await server.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => server.close());
  return { port: (server.server.address() as { port: number }).port, traffic };
}

/** A connection that stays, or undefined where it was refused: nothing comes back on it, and it ends. */
async function open(t: Test, port: number, localAddress = '127.0.0.1'): Promise<Socket | undefined> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  const answered = await once(socket, 'connect')
    .then(() => socket.write(GET))
    .then(() => Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]))
    .catch(() => false);
  return answered ? socket : undefined;
}

async function until(done: () => boolean, ms = 10_000): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (!done() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  return done();
}

/** Once within a minute: a machine that is busy signs nothing with an old view, and that is another promise. */
async function soon(ask: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    if (await ask()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

t.test('one address has so many connections, and what it lets go of it may have again', async (t) => {
  const { port, traffic } = await listen(t, { connections: { total: 100, perAddress: 3, isProxy } });
  const mine = await Promise.all([1, 2, 3].map(() => open(t, port)));
  t.ok(mine.every(Boolean));
  t.equal(await open(t, port), undefined, 'a fourth is refused');
  t.ok(await open(t, port, '127.0.0.2'), 'another address is not');
  t.match(traffic, { open: 4, refused: 0, refusedOfAddress: 1 });
  mine[0]?.destroy();
  t.ok(await until(() => traffic.open === 3));
  t.ok(await open(t, port));
});

t.test('a listener has so many connections, those of a proxy are not counted as one address', async (t) => {
  const ranges = createRanges(['127.0.0.2/32']);
  const { port, traffic } = await listen(t, { connections: { total: 5, perAddress: 2, isProxy: ranges } });
  for (let count = 0; count < 5; count += 1) t.ok(await open(t, port, '127.0.0.2'));
  t.equal(await open(t, port, '127.0.0.3'), undefined, 'full');
  t.match(traffic, { open: 5, refused: 1, refusedOfAddress: 0 });
});

/** Asks for more and more and reads nothing; @returns what became of it */
async function readNothing(socket: Socket): Promise<{ closed: boolean }> {
  const state = { closed: false };
  socket.on('error', () => {});
  socket.once('close', () => (state.closed = true));
  socket.pause();
  const asking = setInterval(() => {
    // What the server no longer reads waits here.
    if (socket.writableLength < 100_000) socket.write(GET.repeat(100));
  }, 1);
  socket.once('close', () => clearInterval(asking));
  return state;
}

for (const secure of [false, true]) {
  t.test(
    `who does not read its answers is cut, with little of them in memory${secure ? ', over TLS' : ''}`,
    async (t) => {
      const options: Partial<ServerOptions> = { deadlines: { answerMs: 1000, lookMs: 100 } };
      const { cert, key } = makeCertificate({ commonName: 'x', names: ['localhost'] });
      if (secure) {
        const files = { certFile: join(tempDir(t), 'cert'), keyFile: join(tempDir(t), 'key') };
        writeFileSync(files.certFile, cert);
        writeFileSync(files.keyFile, key);
        options.certificate = loadCertificate(files, { clock: systemClock, log: pino({ level: 'silent' }) });
      }
      const { port, traffic } = await listen(t, options, 'x'.repeat(100_000));
      const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
      let most = 0;
      const looking = setInterval(() => {
        most = Math.max(most, process.memoryUsage().external + process.memoryUsage().heapUsed - before);
      }, 20);
      t.teardown(() => clearInterval(looking));
      // Node's parser itself ends one in some hundreds that send on while it is paused (HPE_PAUSED): another is opened then.
      for (const deadline = Date.now() + 40_000; traffic.cut === 0 && Date.now() < deadline; ) {
        const socket = secure
          ? connectTls({ port, host: '127.0.0.1', ca: cert, servername: 'localhost' })
          : connect(port, '127.0.0.1');
        t.teardown(() => socket.destroy());
        await once(socket, secure ? 'secureConnect' : 'connect');
        await until(() => traffic.open === 1);
        await readNothing(socket);
        await until(() => traffic.cut === 1 || traffic.open === 0, 40_000);
      }
      t.equal(traffic.cut, 1, 'cut');
      t.ok(await until(() => traffic.open === 0), 'and gone');
      t.ok(most < 64 * 1024 * 1024, `${Math.round(most / 1024 / 1024)} MB at most`);
    },
  );
}

t.test('who reads slowly but reads is served', async (t) => {
  const { port, traffic } = await listen(t, { deadlines: { answerMs: 1000, lookMs: 100 } }, 'x'.repeat(1000));
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  let read = 0;
  socket.on('data', (chunk) => (read += chunk.length));
  for (let count = 0; count < 15; count += 1) {
    socket.write(GET);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(read > 15_000);
  t.match(traffic, { open: 1, cut: 0 });
});

t.test('who says nothing at all, sends a byte now and then, or stays without a request is let go', async (t) => {
  const { port, traffic } = await listen(t, {
    deadlines: { headersMs: 2000, requestMs: 3000, idleMs: 2500, lookMs: 100 },
  });
  const silent = connect(port, '127.0.0.1');
  const trickling = connect(port, '127.0.0.1');
  const idle = connect(port, '127.0.0.1', () => idle.write(GET));
  for (const socket of [silent, trickling, idle]) {
    t.teardown(() => socket.destroy());
    socket.on('error', () => {}).resume();
  }
  const letters = [...`POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ${'x'.repeat(1000)}`];
  const trickle = setInterval(() => trickling.writable && trickling.write(letters.shift() ?? 'x'), 20);
  t.teardown(() => clearInterval(trickle));
  t.ok(await until(() => traffic.open === 3));
  t.ok(await until(() => traffic.open === 0, 60_000));
  for (const socket of [silent, trickling, idle]) t.ok(await until(() => socket.destroyed));
});

t.test('the deadlines in use', (t) => {
  t.same(DEADLINES, {
    ...{ headersMs: 10_000, requestMs: 15_000, answerMs: 30_000, idleMs: 72_000, handshakeMs: 10_000, lookMs: 1000 },
  });
  t.end();
});

t.test('the service: documents are served while the internal listener is full, and so is its socket', async (t) => {
  const port = await findLastingPort();
  const service = await startTestService(t, {
    env: { INTERNAL_URL: `http://127.0.0.1:${port}`, INTERNAL_PORT: String(port), INTERNAL_MAX_CONNECTIONS: '4' },
  });
  const full = [1, 2, 3, 4].map(() => connect(port, '127.0.0.1'));
  for (const socket of full) t.teardown(() => socket.on('error', () => {}).destroy());
  await Promise.all(full.map((socket) => once(socket, 'connect')));
  t.equal(await open(t, port), undefined, 'full');
  t.ok(await soon(async () => (await fetch(`${service.url}/jwks`)).status === 200), 'documents');
  t.ok(await soon(async () => typeof (await service.hostToken()) === 'string'), 'whoever has a shell gets in');
  t.ok(
    await until(() => service.logged.some((line) => line['listener'] === 'internal' && line['refused'] === 1)),
    'and is told so',
  );
});

t.test('ranges of proxies, and what is one caller', (t) => {
  const isOurs = createRanges(['10.1.0.0/16', '192.0.2.7', '2001:db8:1::/48']);
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8:1:2::3']) t.ok(isOurs(address), address);
  for (const address of ['10.2.0.1', '192.0.2.8', '2001:db8:2::1', 'x', '']) t.notOk(isOurs(address), address);
  const faults: [string, RegExp | undefined][] = [
    ['10.0.0.0/8', undefined],
    ['2001:db8::/32', undefined],
    ['::1', undefined],
    ['10.0.0/8', /no IP address/],
    ['10.0.0.0/33', /prefix/],
    ['10.0.0.0/', /prefix/],
    ['2001:db8::/129', /prefix/],
    ['10.0.0.0/8/8', /no CIDR range/],
    ['0.0.0.0/0', /everybody/],
    ['::/0', /everybody/],
  ];
  for (const [range, fault] of faults) {
    const found = findRangeFault(range);
    if (fault === undefined) t.equal(found, undefined, range);
    else t.match(found, fault, range);
  }
  t.equal(callerOf('192.0.2.7'), callerOf('::ffff:192.0.2.7'));
  t.equal(callerOf('2001:db8:1:2:3:4:5:6'), callerOf('2001:db8:1:2::1'));
  t.equal(callerOf('2001:0db8:1:2::'), callerOf('2001:db8:1:2::1'));
  t.not(callerOf('2001:db8:1:3::1'), callerOf('2001:db8:1:2::1'));
  t.equal(callerOf('::1'), '0:0:0:0::/64');
  t.equal(callerOf('fe80::1%eth0'), callerOf('fe80::2'));
  t.equal(callerOf('192.0.2.7:51324'), '192.0.2.7', 'a port is of a connection, not of a caller');
  t.equal(callerOf('[2001:db8:1:2::1]:51324'), callerOf('2001:db8:1:2::1'));
  t.equal(callerOf('[2001:db8:1:2::1]'), callerOf('2001:db8:1:2::1'));
  t.equal(callerOf('[::ffff:192.0.2.7]:51324'), '192.0.2.7');
  t.end();
});

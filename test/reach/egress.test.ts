// The one way out for a URL from data: which addresses it refuses, when it looks at them, and what it bounds.
import t from 'tap';
import { createRanges } from '../../src/http/addresses.ts';
import { assertGuarded, createEgress, EGRESS_MAX_BODY } from '../../src/reach/egress.ts';
import { mayGoTo } from '../../src/reach/egress-addresses.ts';
import { createAsk } from '../../src/reach/stranger.ts';
import { startTestService } from '../support/service.ts';
import { startStandIn } from '../support/stand-in-issuer.ts';

const nothing = (): boolean => false;
const loopback = createRanges(['127.0.0.0/8']);
/** Who is gone to, or is not. */
const server = await startStandIn(t);
await server.answer({ '*': { body: {} } });
const { port } = new URL(server.url);

t.test('which addresses are gone to', async (t) => {
  const special = [
    ...['127.0.0.1', '127.9.9.9', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...['192.0.0.8', '192.0.2.1', '192.88.99.1', '198.18.0.1', '198.51.100.1', '203.0.113.9'],
    ...['::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1', 'fc00::1', 'fec0::1', '::7f00:1'],
    ...['2001::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', '4000::1'],
  ];
  for (const address of special) t.equal(mayGoTo(address, nothing), false, address);
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '192.0.1.1', '2606:4700::1111', '2a00:1450::1'])
    t.equal(mayGoTo(address, nothing), true, address);
  t.equal(mayGoTo('10.0.0.1', createRanges(['10.0.0.0/8'])), true, 'where configuration allows it');
  const metadata = ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', 'fd00:ec2::254', '168.63.129.16'];
  const nobody = ['100.100.100.200', '192.0.0.192', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1'];
  for (const address of [...metadata, ...nobody])
    t.equal(
      mayGoTo(address, () => true),
      false,
      `${address}, whatever is allowed`,
    );
});

t.test('an address in the URL is refused in each of its spellings, and nobody is connected to', async (t) => {
  const ask = createEgress({ allowed: nothing });
  const hosts = ['127.0.0.1', '0x7f.1', '2130706433', '017700000001', '[::1]', '[::ffff:127.0.0.1]', '[::127.0.0.1]'];
  for (const scheme of ['http', 'https'])
    for (const host of hosts)
      await t.rejects(ask(new URL(`${scheme}://${host}:${port}/`)), { code: 'EGRESS_REFUSED' }, host);
  await t.rejects(ask(new URL('file:///etc/passwd')), { code: 'EGRESS_REFUSED' });
  await t.rejects(ask(new URL('https://user:pass@example.com/')), { code: 'EGRESS_REFUSED' });
  t.equal(await server.came(), 0);
});

t.test('a name that changes its answer is connected to where it was looked at, or not at all', async (t) => {
  const asked: string[] = [];
  const answers = [['10.1.2.3'], ['127.0.0.1']];
  // Only 10.1.2.3 may be gone to: whoever looks at the first answer and connects to the second is let through.
  const ask = createEgress({
    allowed: createRanges(['10.1.2.3/32']),
    resolve: async (name) => {
      asked.push(name);
      return answers[asked.length % 2] as string[];
    },
  });
  await t.rejects(ask(new URL(`http://rebinding.example:${port}/`)), { code: 'EGRESS_REFUSED' });
  t.same(asked, ['rebinding.example'], 'asked once for a connection');
  const mixed = createEgress({ allowed: loopback, resolve: async () => ['127.0.0.1', '10.0.0.1'] });
  await t.rejects(mixed(new URL(`http://mixed.example:${port}/`)), { code: 'EGRESS_REFUSED' }, 'all of them');
  const nowhere = createEgress({ allowed: nothing, resolve: async () => [] });
  await t.rejects(nowhere(new URL('https://nowhere.example/')), { code: 'ENOTFOUND' });
  t.equal(await server.came(), 0);
});

t.test('plain http goes where configuration allows, and nowhere else', async (t) => {
  const allowed = createEgress({ allowed: loopback, resolve: async () => ['127.0.0.1'], deadlineMs: 60_000 });
  t.equal((await allowed(new URL(`http://issuer.example:${port}/`))).status, 200);
  const publicly = createEgress({ allowed: nothing, resolve: async () => ['93.184.215.14'] });
  await t.rejects(publicly(new URL('http://issuer.example/')), { code: 'EGRESS_REFUSED', message: /not https/ });
});

t.test('no redirect, no large body, no long wait', async (t) => {
  await server.answer({
    '/redirect': { status: 302, headers: { location: '/elsewhere' } },
    '/large': { body: 'x', times: EGRESS_MAX_BODY + 1 },
    // Some of it at once and then nothing, or ever more: whoever bounds the first byte alone waits for ever.
    '/slow': { body: '{', ends: 'never' },
    '/slower': { body: '{', ends: 'trickling' },
  });
  const ask = createEgress({ allowed: loopback });
  const patient = createEgress({ allowed: loopback, deadlineMs: 60_000 });
  const url = (path: string): URL => new URL(`http://127.0.0.1:${port}${path}`);
  t.match(await patient(url('/redirect')), { status: 302, location: '/elsewhere' });
  t.equal((await patient(url('/large'))).body, undefined);
  await Promise.all(
    ['/slow', '/slower'].map((path) => t.rejects(ask(url(path)), { code: /ABORT_ERR|ECONNRESET/ }, path)),
  );
  t.notOk((await server.asked()).includes('/elsewhere'));
});

t.test('a start proves that the guard refuses this machine', async (t) => {
  await assertGuarded(createEgress({ allowed: nothing }));
  await t.rejects(assertGuarded(createAsk()), { code: 'egress_unguarded' });
  await t.rejects(startTestService(t, { egress: createAsk() }), { code: 'egress_unguarded' });
});

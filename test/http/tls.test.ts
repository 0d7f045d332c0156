// TLS of the internal listener: what is refused at the start, and renewal under connections that go on.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import tls, { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { readConfig } from '../../src/config.ts';
import { createServer, type ServerOptions } from '../../src/http/server.ts';
import { loadCertificate } from '../../src/http/tls.ts';
import { readScrape } from '../metrics/scrape.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { steppedClock } from '../support/keys.ts';
import { findLastingPort } from '../support/ports.ts';
import { startTestService, tempDir } from '../support/service.ts';

const authority = makeCertificate({ commonName: 'an authority' });
const DAY = 86_400_000;

const issue = (commonName: string, options: { notBefore?: number; notAfter?: number } = {}): Certificate =>
  makeCertificate({ commonName, names: ['localhost', '127.0.0.1'], issuer: authority, ...options });

function problemsOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return (error as { problems: string[] }).problems;
  }
}

t.test('a start with TLS that cannot work is refused by name', async (t) => {
  const dir = tempDir(t);
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const [one, other] = [issue('one'), issue('other')];
  const [cert, key] = [write('cert', one.cert), write('key', one.key)];
  const own = { ISSUER_URL: 'http://127.0.0.1:8080', INTERNAL_URL: 'https://localhost:8081', INTERNAL_PORT: '8081' };
  const both = { INTERNAL_TLS_CERT_FILE: cert, INTERNAL_TLS_KEY_FILE: key };
  t.same(readConfig({ ...own, ...both }).internalTls, { certFile: cert, keyFile: key });
  const refused: [string, Record<string, string>, RegExp][] = [
    ['no key', { ...own, INTERNAL_TLS_CERT_FILE: cert }, /^INTERNAL_TLS_KEY_FILE is missing: .*Set both or neither/],
    ['no certificate', { ...own, INTERNAL_TLS_KEY_FILE: key }, /^INTERNAL_TLS_CERT_FILE is missing/],
    [
      'a file that is not there',
      { ...own, ...both, INTERNAL_TLS_CERT_FILE: join(dir, 'no') },
      /^INTERNAL_TLS_CERT_FILE: .*\/no cannot be read \(ENOENT\); make it readable/,
    ],
    [
      'half a certificate',
      { ...own, ...both, INTERNAL_TLS_CERT_FILE: write('half', one.cert.slice(0, 300)) },
      /^INTERNAL_TLS_CERT_FILE: .* holds no certificate in PEM/,
    ],
    [
      'half a key',
      { ...own, ...both, INTERNAL_TLS_KEY_FILE: write('half', one.key.slice(0, 100)) },
      /^INTERNAL_TLS_KEY_FILE: .* holds no private key/,
    ],
    [
      'the key of another',
      { ...own, ...both, INTERNAL_TLS_KEY_FILE: write('other', other.key) },
      /^INTERNAL_TLS_KEY_FILE: .* is not the key of the certificate/,
    ],
    [
      'one port for both',
      { ISSUER_URL: 'http://127.0.0.1:8080', ...both },
      /^INTERNAL_TLS_CERT_FILE: the listener that both share is plain http/,
    ],
    [
      'an http URL',
      { ...own, ...both, INTERNAL_URL: 'http://localhost:8081' },
      /^INTERNAL_URL must be https where INTERNAL_TLS_CERT_FILE/,
    ],
  ];
  for (const [name, env, expected] of refused) t.match(problemsOf(env), [expected], name);
});

/** As Kubernetes replaces a secret's files: a new folder, and one symlink that is renamed over the old one. */
function writeSecret(dir: string, { cert, key }: { cert: string; key: string }, name: string): void {
  mkdirSync(join(dir, name));
  writeFileSync(join(dir, name, 'tls.crt'), cert);
  writeFileSync(join(dir, name, 'tls.key'), key);
  symlinkSync(name, join(dir, '..data_tmp'));
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
}

interface Listening {
  port: number;
  dir: string;
  refresh(): Promise<void>;
  clock: ReturnType<typeof steppedClock>;
  logged: Record<string, unknown>[];
}

async function listen(t: Test, first: Certificate, deadlines: ServerOptions['deadlines'] = {}): Promise<Listening> {
  const dir = tempDir(t);
  writeSecret(dir, first, '..one');
  for (const file of ['tls.crt', 'tls.key']) symlinkSync(join('..data', file), join(dir, file));
  const clock = steppedClock(Date.now());
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const files = { certFile: join(dir, 'tls.crt'), keyFile: join(dir, 'tls.key') };
  const certificate = loadCertificate(files, { clock, log });
  const server = createServer({
    hosts: new Set(['x']),
    logger: pino({ level: 'silent' }),
    certificate,
    deadlines,
  });
  server.get('/', async () => 'here');
  await server.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => server.close());
  const { port } = server.server.address() as { port: number };
  return { port, dir, clock, logged, refresh: certificate.refresh };
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

async function open(port: number, options: tls.ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost', ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write(GET);
  const [chunk] = await once(socket, 'data');
  return String(chunk).slice(0, 15);
}

async function shown(port: number): Promise<string> {
  const socket = await open(port);
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

t.test('a certificate that was replaced is used from the next look, and no connection is dropped for it', async (t) => {
  const { port, dir, refresh, logged } = await listen(t, issue('one'));
  const before = await open(port);
  t.equal(await ask(before), 'HTTP/1.1 200 OK');
  t.equal(await shown(port), 'one');
  writeSecret(dir, issue('two'), '..two');
  t.equal(readlinkSync(join(dir, '..data')), '..two');
  await refresh();
  t.equal(await shown(port), 'two', 'a symlink swapped');
  t.equal(await ask(before), 'HTTP/1.1 200 OK', 'the old connection goes on');
  for (const name of ['tls.crt', 'tls.key']) rmSync(join(dir, name));
  const three = issue('three');
  writeFileSync(join(dir, 'new'), three.cert);
  renameSync(join(dir, 'new'), join(dir, 'tls.crt'));
  writeFileSync(join(dir, 'tls.key'), three.key);
  await refresh();
  t.equal(await shown(port), 'three', 'files renamed and written');
  t.equal(await ask(before), 'HTTP/1.1 200 OK');
  before.destroy();
  t.equal(logged.filter(({ msg }) => /was renewed/.test(String(msg))).length, 2);
});

t.test('what does not fit together leaves the old pair in use, and is named once', async (t) => {
  const { port, dir, refresh, logged } = await listen(t, issue('one'));
  const two = issue('two');
  const faults = (): unknown[] => logged.flatMap(({ fault }) => fault ?? []);
  writeSecret(dir, { cert: two.cert.slice(0, 200), key: two.key }, '..torn');
  await refresh();
  t.same(faults(), [], 'whoever writes may be between two files');
  for (let look = 0; look < 3; look += 1) await refresh();
  t.match(faults(), [/^INTERNAL_TLS_CERT_FILE: .* holds no certificate/], 'once');
  t.equal(await shown(port), 'one');
  writeSecret(dir, { cert: two.cert, key: issue('another').key }, '..mixed');
  for (let look = 0; look < 3; look += 1) await refresh();
  t.match(faults(), [String, /^INTERNAL_TLS_KEY_FILE: .* is not the key/]);
  rmSync(join(dir, 'tls.key'));
  for (let look = 0; look < 3; look += 1) await refresh();
  t.match(faults(), [String, String, /^INTERNAL_TLS_KEY_FILE: .* cannot be read/]);
  t.equal(await shown(port), 'one');
  t.notMatch(JSON.stringify(logged), /PRIVATE KEY/);
  symlinkSync(join('..data', 'tls.key'), join(dir, 'tls.key'));
  writeSecret(dir, two, '..two');
  await refresh();
  t.equal(await shown(port), 'two', 'and then what fits is used');
});

t.test('a certificate about to expire is said once a day, and louder when it has', async (t) => {
  const now = Date.now();
  const { clock, refresh, logged, dir } = await listen(
    t,
    issue('one', { notBefore: now - DAY, notAfter: now + 60 * DAY }),
  );
  const said = (): unknown[] => logged.flatMap(({ level, msg }) => (/expire/.test(String(msg)) ? level : []));
  await refresh();
  t.same(said(), [], '60 days ahead');
  clock.step(50 * DAY);
  for (let look = 0; look < 3; look += 1) await refresh();
  t.same(said(), [40], 'a warning');
  clock.step(DAY);
  await refresh();
  t.same(said(), [40, 40]);
  clock.step(10 * DAY);
  await refresh();
  t.same(said(), [40, 40, 50], 'an error');
  const soon = clock.wall();
  writeSecret(dir, issue('two', { notBefore: soon - 4 * 3_600_000, notAfter: soon + 20 * 3_600_000 }), '..two');
  await refresh();
  t.same(said(), [40, 40, 50], 'one of a day is not near its end after four hours');
});

t.test('TLS 1.2 at least, whatever Node was told, and after a renewal too', async (t) => {
  const [version, ciphers] = [tls.DEFAULT_MIN_VERSION, tls.DEFAULT_CIPHERS];
  tls.DEFAULT_MIN_VERSION = 'TLSv1';
  tls.DEFAULT_CIPHERS = 'DEFAULT@SECLEVEL=0';
  t.teardown(() => {
    tls.DEFAULT_MIN_VERSION = version;
    tls.DEFAULT_CIPHERS = ciphers;
  });
  const { port, dir, refresh } = await listen(t, issue('one'));
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
  for (const when of ['at the start', 'after a renewal']) {
    await t.rejects(open(port, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' }, when);
    const modern = await open(port, { maxVersion: 'TLSv1.2' });
    t.equal(modern.getProtocol(), 'TLSv1.2');
    modern.destroy();
    writeSecret(dir, issue(when), `..${when.slice(0, 2)}`);
    await refresh();
  }
});

t.test('who does not agree on TLS is let go', async (t) => {
  const { port } = await listen(t, issue('one'), { handshakeMs: 500 });
  const socket = connectPlain(port, '127.0.0.1', () => socket.write(GET));
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => {});
  await once(socket, 'close');
  t.notMatch(text, /HTTP/, 'no answer in the clear');
  const silent = connectPlain(port, '127.0.0.1');
  silent.on('error', () => {});
  silent.resume();
  const signal = AbortSignal.timeout(60_000);
  await t.resolves(once(silent, 'close', { signal }), 'nor is a handshake waited for');
  silent.destroy();
});

t.test(
  'the service: the API over TLS, documents beside it in plain http, a certificate renewed by itself',
  async (t) => {
    const dir = tempDir(t);
    writeSecret(dir, issue('one'), '..one');
    const port = await findLastingPort();
    const { url, logged } = await startTestService(t, {
      env: {
        INTERNAL_URL: `https://localhost:${port}`,
        INTERNAL_PORT: String(port),
        INTERNAL_TLS_CERT_FILE: join(dir, '..data/tls.crt'),
        INTERNAL_TLS_KEY_FILE: join(dir, '..data/tls.key'),
      },
    });
    const agent = new Agent({ ca: authority.cert, keepAlive: true });
    t.teardown(() => agent.destroy());
    const read = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const headers = { host: `localhost:${port}` };
        request({ ...{ agent, host: '127.0.0.1', port, servername: 'localhost', path, headers } }, (answer) => {
          let text = '';
          answer
            .setEncoding('utf8')
            .on('data', (chunk: string) => (text += chunk))
            .on('end', () => resolve(text));
        })
          .on('error', reject)
          .end();
      });
    const discovery = await read('/.well-known/openid-configuration');
    t.equal(JSON.parse(discovery).token_endpoint, `https://localhost:${port}/oauth2/token`);
    t.equal((await fetch(`${url}/jwks`)).status, 200);
    t.ok(logged.some(({ msg }) => msg === `Server listening at https://127.0.0.1:${port}`));
    t.equal((await fetch(`${url}/v1/whoami`)).status, 404, 'the public listener does not carry it');
    const two = issue('two', { notBefore: Date.now() - DAY, notAfter: Date.now() + 90 * DAY });
    writeSecret(dir, two, '..two');
    const deadline = Date.now() + 60_000;
    while ((await shown(port)) !== 'two' && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 200));
    t.equal(await shown(port), 'two');
    const { value } = readScrape(await read('/metrics'));
    t.equal(
      value('countersign_listener_certificate_expiry_timestamp_seconds{listener="internal"}'),
      new X509Certificate(two.cert).validToDate.getTime() / 1000,
      'the metrics show the one in use',
    );
    t.ok(value('countersign_listener_connections{listener="internal"}') >= 1);
  },
);

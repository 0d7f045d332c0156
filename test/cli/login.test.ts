// The parts of a sign-in: where people may be sent, who may come back, what is believed, and what is kept.
import { chmodSync, existsSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { hasDisplay } from '../../src/cli/login/browser.ts';
import { renew, signInByCode, signInByDevice } from '../../src/cli/login/company.ts';
import { keepSignIn, readSignIn, type SignIn } from '../../src/cli/login/kept.ts';
import { chooseLogin } from '../../src/cli/login/logins.ts';
import { openLoopback } from '../../src/cli/login/loopback.ts';
import { buildPage } from '../../src/cli/login/page.ts';
import {
  createStandInKey,
  DISCOVERY,
  nowSeconds,
  signAs,
  startStandIn as startIssuer,
} from '../support/stand-in-issuer.ts';
import { cli, problem, startStandIn, temporaryFolder } from './stand-in.ts';

const URL_OF_SERVICE = 'https://countersign.internal.example.com';

const kept = (more: Partial<SignIn> = {}): SignIn => ({
  ...{ url: URL_OF_SERVICE, name: 'acme', issuer: 'https://login.acme.example', client_id: 'command', subject: 'ana' },
  ...{ id_token: 'an-id-token', expires_at: Date.now() + 3_600_000, ...more },
});

function home(t: Test) {
  const env = { HOME: temporaryFolder(t) };
  const folder = join(env.HOME, '.local/state/countersign');
  return {
    env,
    folder,
    file: () => join(folder, readdirSync(folder).find((name) => name.endsWith('.json')) as string),
  };
}

t.test('a sign-in is for one service, and kept where nobody else reads or writes', async (t) => {
  const { env, folder } = home(t);
  t.equal(readSignIn(env, URL_OF_SERVICE), undefined);
  t.notOk(existsSync(folder), 'to look makes nothing');
  keepSignIn(env, kept());
  t.match(readSignIn(env, URL_OF_SERVICE), { subject: 'ana' });
  t.equal(readSignIn(env, `${URL_OF_SERVICE}.evil.example`), undefined);
  keepSignIn(env, kept({ url: 'https://other.example' }));
  const [first = '', second = ''] = readdirSync(folder).map((name) => join(folder, name));
  renameSync(first, second);
  const [one, two] = [URL_OF_SERVICE, 'https://other.example'].map((url) => {
    try {
      return readSignIn(env, url);
    } catch (error) {
      return (error as { code?: string }).code;
    }
  });
  t.same([one, two].filter(Boolean), ['sign_in_unreadable'], 'a file that was put in the place of another');
  const faults: [string, (file: string) => void, RegExp][] = [
    ['open to others', (there) => chmodSync(there, 0o644), /open to others/],
    ['no sign-in', (there) => writeFileSync(there, '{}'), /does not hold a sign-in/],
    ['a link', (there) => (renameSync(there, `${there}.x`), symlinkSync(`${there}.x`, there)), /is a link/],
  ];
  for (const [name, spoil, said] of faults) {
    const whose = home(t);
    keepSignIn(whose.env, kept());
    spoil(whose.file());
    t.throws(() => readSignIn(whose.env, URL_OF_SERVICE), { code: 'sign_in_unreadable', message: said }, name);
    const ended = await cli(['whoami'], { ...whose.env, COUNTERSIGN_URL: URL_OF_SERVICE });
    t.match(ended, { code: 1, stderr: /\[sign_in_unreadable\]\nhint: .*countersign login/ }, name);
  }
});

t.test('where people sign in is said by the service, over https, and chosen by name', async (t) => {
  const login = (issuer: string) => ({ name: 'acme', issuer, client_id: 'command', scopes: ['openid'] });
  for (const issuer of ['https://login.acme.example', 'http://127.0.0.1:8080', 'http://localhost/realms/x'])
    t.equal(chooseLogin([login(issuer)], undefined).issuer, issuer);
  for (const issuer of ['http://login.acme.example', 'file:///etc/passwd', 'http://127.0.0.1.evil.example', 'acme'])
    t.throws(() => chooseLogin([login(issuer)], 'acme'), { code: 'sign_in_not_believed' }, issuer);
  const { env } = home(t);
  t.match(await cli(['login'], env), { code: 2, stderr: /COUNTERSIGN_URL/ });
  t.match(await cli(['login', '--url', 'http://id.example.com'], env), { code: 2, stderr: /in the clear/ });
  const service = await startStandIn(t, { 'GET /v1/login': problem(404, 'not_found', 'x') });
  t.match(await cli(['login', '--url', service.url], env), { code: 1, stderr: /\[no_login\]/ });
  const good = login('https://127.0.0.1:1');
  for (const odd of [
    { name: 'acme' },
    { ...good, name: 'acme\u001b[2J' },
    { ...good, name: 'acme\u202e' },
    { ...good, issuer: 'https://login.acme.example\n.evil.example' },
    { ...good, client_id: '' },
    { ...good, scopes: ['openid email'] },
    { ...good, scopes: 'openid' },
  ]) {
    const { url } = await startStandIn(t, { 'GET /v1/login': { body: { issuers: [odd] } } });
    const ended = await cli(['login', '--url', url], env);
    t.match(ended, { code: 1, stderr: /^error: .*\[unexpected_answer\]/ }, JSON.stringify(odd));
  }
});

t.test('a display is there, or it is not', async (t) => {
  const cases: [NodeJS.Platform, Record<string, string>, boolean][] = [
    ['linux', {}, false],
    ['linux', { DISPLAY: ':0' }, true],
    ['linux', { WAYLAND_DISPLAY: 'wayland-0' }, true],
    ['darwin', {}, true],
    ['darwin', { SSH_CONNECTION: 'x' }, false],
    ['win32', {}, true],
  ];
  for (const [platform, env, there] of cases)
    t.equal(hasDisplay(env, platform), there, `${platform} ${Object.keys(env)}`);
});

t.test('what an issuer sent is text on the page', async (t) => {
  t.notMatch(buildPage('<script>', `"'&<img src=x onerror=alert(1)>`), /<script|<img|"'&/);
  t.ok(buildPage('x', 'y'.repeat(100_000)).length < 2000);
});

t.test('the browser comes back once, by the address that it was given', async (t) => {
  const loopback = await openLoopback(0, 'acme');
  t.teardown(() => loopback.close());
  const url = new URL(loopback.redirectUri);
  t.equal(url.hostname, '127.0.0.1');
  const get = (path: string, headers: Record<string, string> = {}) =>
    new Promise<number | undefined>((resolve, reject) => {
      // What is taken for the person's own is kept waiting for what comes of it.
      const signal = AbortSignal.timeout(20_000);
      request({ host: '127.0.0.1', port: url.port, path, headers, signal }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode));
      })
        .once('error', reject)
        .end();
    });
  t.equal(
    await get(`/callback?code=x&state=${loopback.state}`, { host: `evil.example:${url.port}` }),
    404,
    'by another name',
  );
  t.equal(await get(`/callback?code=x&state=${loopback.state}`, { host: `localhost:${url.port}` }), 404);
  t.equal(await get('/'), 404);
  for (const state of ['', '&state=', `&state=${'x'.repeat(43)}`, `&state=x&state=${loopback.state}`])
    t.equal(await get(`/callback?code=x${state}`), 404, `whom this sign-in did not send: ${state}`);
  const sent = `/callback?code=first&state=${loopback.state}`;
  const first = get(sent);
  const { url: came, answer } = await loopback.callback;
  t.equal(came.href, `${url.origin}${sent}`);
  t.equal(await get(sent), 404, 'a second one');
  await answer(undefined);
  t.equal(await first, 200);
});

t.test('who closes the page before it comes keeps nobody waiting', async (t) => {
  const loopback = await openLoopback(0, 'acme');
  t.teardown(() => loopback.close());
  const { port } = new URL(loopback.redirectUri);
  const asking = request({ host: '127.0.0.1', port, path: `/callback?code=x&state=${loopback.state}` });
  asking.once('error', () => {}).end();
  const { answer } = await loopback.callback;
  asking.destroy();
  // Whoever comes after that is answered after that.
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404);
  t.equal(
    await Promise.race([answer(undefined).then(() => 'answered'), delay(20_000, 'waits', { ref: false })]),
    'answered',
  );
});

t.test('what an issuer says is held against what was asked', async (t) => {
  const issuer = await startIssuer(t);
  const metadata = {
    ...{ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, token_endpoint: `${issuer.url}/token` },
    ...{ authorization_endpoint: '', device_authorization_endpoint: `${issuer.url}/device` },
  };
  const say = (more: object): Promise<void> =>
    issuer.answer({ [DISCOVERY]: { body: metadata }, '/token': { body: more }, '/device': { body: more } });
  const before = kept({ issuer: issuer.url, refresh_token: 'a-refresh-token' });
  const claims = { iss: issuer.url, sub: 'ana', aud: 'command', iat: nowSeconds(), exp: nowSeconds() + 600 };
  const given = async (more: object, key = issuer.keys[0]): Promise<void> => {
    const id_token = await signAs(key as NonNullable<typeof key>, { ...claims, ...more });
    await say({ access_token: 'x', token_type: 'Bearer', id_token });
  };
  const renewed = () => renew(before, () => {});
  await given({});
  t.match(await renewed(), { subject: 'ana', refresh_token: 'a-refresh-token' });
  const not = { code: 'sign_in_not_believed' };
  await given({}, createStandInKey('RS256', issuer.keys[0]?.kid));
  await t.rejects(renewed(), not, 'an ID token that it did not sign');
  await given({ sub: 'bob' });
  await t.rejects(renewed(), not, "somebody else's");
  await given({ aud: 'wiki' });
  await t.rejects(renewed(), not, "another client's");
  await given({ iss: 'https://evil.example' });
  await t.rejects(renewed(), not, "another issuer's");
  await say({ access_token: 'x', token_type: 'Bearer' });
  await t.rejects(renewed(), { code: 'no_id_token' });

  const login = { name: 'acme', issuer: issuer.url, client_id: 'command', scopes: ['openid'] };
  const visited: string[] = [];
  const visit = (page: URL): void => void visited.push(page.href);
  const callback = Promise.reject(new Error('somebody was sent there'));
  callback.catch(() => {});
  const way = { redirectUri: 'http://127.0.0.1:1/callback', state: 'x', visit, callback };
  for (const page of ['file:///etc/passwd', 'http://evil.example/authorize', 'javascript:alert(1)']) {
    metadata.authorization_endpoint = page;
    await say({});
    await t.rejects(signInByCode(login, way), not, page);
  }
  const device = { device_code: 'd', user_code: 'ABCD', expires_in: 60, verification_uri: 'http://evil.example/' };
  await say(device);
  const tell = (page: URL): void => void visited.push(page.href);
  await t.rejects(signInByDevice(login, { tell, signal: AbortSignal.timeout(1) }), not);
  t.same(visited, [], 'nobody is sent there');
});

t.test('a sign-in that is over says what to do', async (t) => {
  const { env } = home(t);
  const service = await startStandIn(t);
  keepSignIn(env, kept({ url: service.url, expires_at: Date.now() - 1000 }));
  const ended = await cli(['whoami'], { ...env, COUNTERSIGN_URL: service.url });
  t.match(ended, { code: 1, stderr: /ended, on .*\[sign_in_over\]\nhint: .*countersign login/ });
  t.notMatch(ended.stderr, 'an-id-token');
  const key = { COUNTERSIGN_CLIENT_ID: service.env.COUNTERSIGN_CLIENT_ID as string };
  t.match(await cli(['whoami'], { ...env, ...key, COUNTERSIGN_URL: service.url }), { code: 2 }, 'a key comes first');
});

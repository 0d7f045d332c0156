// The renewal of a sign-in, and what must not end one: an issuer that is busy or away, a full disk, another process.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { alone, keepSignIn, readSignIn, type SignIn } from '../../src/cli/login/kept.ts';
import { currentSignIn } from '../../src/cli/login/renew.ts';
import {
  DISCOVERY,
  nowSeconds,
  signAs,
  startStandIn as startIssuer,
  type StandIn as Issuer,
  type StandInAnswer,
  type StandInAnswers,
} from '../support/stand-in-issuer.ts';
import { cli, startStandIn, temporaryFolder } from './stand-in.ts';

const SERVICE = 'https://countersign.internal.example.com';

/** Somebody whose sign-in lives on for so many seconds, with a refresh token. */
async function signedIn(t: Test, issuer: string, seconds: number) {
  const env = { HOME: temporaryFolder(t) };
  const signIn: SignIn = {
    ...{ url: SERVICE, name: 'acme', issuer, client_id: 'command', subject: 'ana', id_token: 'an-id-token' },
    ...{ expires_at: Date.now() + seconds * 1000, refresh_token: 'a-refresh-token' },
  };
  keepSignIn(env, signIn);
  const outside = {
    ...{ env, now: Date.now, sleep: async () => {}, stopped: async () => {} },
    ...{ stdout: { write: () => {} }, stderr: { write: () => {} } },
  };
  const folder = join(env.HOME, '.local/state/countersign');
  const file = join(folder, readdirSync(folder)[0] as string);
  return { env, signIn, outside, file, show: () => currentSignIn(outside, signIn) };
}

async function answer(issuer: Issuer, token: StandInAnswer, more: StandInAnswers = {}): Promise<void> {
  const body = { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, token_endpoint: `${issuer.url}/token` };
  await issuer.answer({ [DISCOVERY]: { body }, '/token': token, ...more });
}

async function idTokenOf({ url, keys }: Issuer, claims: object = {}): Promise<string> {
  const whole = { iss: url, sub: 'ana', aud: 'command', iat: nowSeconds(), exp: nowSeconds() + 600, ...claims };
  return await signAs(keys[0] as NonNullable<(typeof keys)[0]>, whole);
}

t.test('a refresh token is forgotten only where the issuer says that it is spent', async (t) => {
  const issuer = await startIssuer(t);
  const { env, show } = await signedIn(t, issuer.url, 1);
  const kept = () => readSignIn(env, SERVICE)?.refresh_token;
  const away = { code: 'issuer_unreachable', exit: 3 };
  const cases: [string, StandInAnswer, { code: string }][] = [
    ['busy', { status: 429, body: { error: 'too_many_requests' } }, { code: 'issuer_refused' }],
    ['busy, in words of its own', { status: 429, type: 'text/html', body: '<p>slow down' }, away],
    ['not this client, for now', { status: 401, body: { error: 'invalid_client' } }, { code: 'issuer_refused' }],
    ['away', { status: 503, body: { error: 'temporarily_unavailable' } }, away],
    ['away behind a proxy', { status: 502, type: 'text/html', body: '<p>bad gateway' }, away],
  ];
  for (const [name, token, said] of cases) {
    await answer(issuer, token);
    await t.rejects(show(), said, name);
    t.equal(kept(), 'a-refresh-token', name);
  }
  await issuer.answer({ [DISCOVERY]: { status: 503 } });
  await t.rejects(show(), away, 'its discovery');
  await answer(issuer, { status: 400, body: { error: 'invalid_grant' } });
  await t.rejects(show(), { code: 'sign_in_over' });
  t.equal(kept(), undefined);
});

t.test('nothing is spent on a sign-in that cannot be kept', async (t) => {
  const issuer = await startIssuer(t);
  const body = { access_token: 'x', token_type: 'Bearer', id_token: await idTokenOf(issuer), refresh_token: 'another' };
  await answer(issuer, { body });
  const own = await signedIn(t, issuer.url, 1);
  mkdirSync(join(`${own.file}.room`, 'x'), { recursive: true });
  await t.rejects(own.show(), { code: 'sign_in_not_kept', message: /cannot be written/ });
  t.notOk((await issuer.asked()).includes('/token'));
  const living = await signedIn(t, issuer.url, 30);
  mkdirSync(join(`${living.file}.room`, 'x'), { recursive: true });
  t.match(await living.show(), { id_token: 'an-id-token' }, 'one that lives is shown all the same');
  t.match(await (await signedIn(t, issuer.url, 1)).show(), { refresh_token: 'another' });

  const asked: string[] = [];
  const login = { name: 'acme', issuer: issuer.url, client_id: 'command', scopes: ['openid'] };
  const service = await startStandIn(t, {
    'GET /v1/login': ({ path }) => (asked.push(path), { body: { issuers: [login] } }),
  });
  const HOME = temporaryFolder(t);
  mkdirSync(join(HOME, '.local/state'), { recursive: true });
  writeFileSync(join(HOME, '.local/state/countersign'), 'no folder');
  const ended = await cli(['login', '--url', service.url, '--no-browser', '--wait', '1s'], { HOME });
  t.match(ended, { code: 1, stderr: /\[sign_in_not_kept\]/ });
  t.same(asked, [], 'before anybody signs in');
});

t.test('a refresh token that came instead is kept, whatever fails of the rest', async (t) => {
  const issuer = await startIssuer(t);
  const { env, show } = await signedIn(t, issuer.url, 1);
  const common = { access_token: 'x', token_type: 'Bearer' };
  const away: StandInAnswers = { '/jwks': { status: 503 } };
  const cases: [string, object, StandInAnswers, { code: string }][] = [
    ['second', { id_token: await idTokenOf(issuer) }, away, { code: 'issuer_unreachable' }],
    ['third', { id_token: await idTokenOf(issuer, { aud: 'another' }) }, {}, { code: 'sign_in_not_believed' }],
    ['fourth', {}, {}, { code: 'no_id_token' }],
  ];
  for (const [refresh_token, body, more, said] of cases) {
    await answer(issuer, { body: { ...common, refresh_token, ...body } }, more);
    await t.rejects(show(), said);
    t.match(readSignIn(env, SERVICE), { refresh_token, id_token: 'an-id-token' }, said.code);
  }
  await answer(issuer, { body: { ...common, id_token: await idTokenOf(issuer) } });
  t.match(await show(), { refresh_token: 'fourth' }, 'it stays where none comes instead');
});

t.test('one that lives, and that another process found not renewable meanwhile, is shown', async (t) => {
  const { env, signIn, outside, show } = await signedIn(t, 'http://127.0.0.1:1', 30);
  const { promise, resolve } = Promise.withResolvers<void>();
  const other = alone(outside, SERVICE, async () => {
    await promise;
    keepSignIn(env, { ...signIn, refresh_token: undefined });
  });
  const shown = show();
  resolve();
  await other;
  t.match(await shown, { id_token: 'an-id-token' });
});

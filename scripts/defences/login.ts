// `countersign login`: who may come back with a sign-in, what is believed of it, and what is kept of it.
import { type Defence, provenBy } from './defence.ts';

const LOGIN = 'test/federation/login.test.ts';
const PARTS = 'test/cli/login.test.ts';
const RENEWAL = 'test/cli/renewal.test.ts';
const company = 'src/cli/login/company.ts';
const kept = 'src/cli/login/kept.ts';
const loopback = 'src/cli/login/loopback.ts';

export const login: Defence[] = [
  ...provenBy(LOGIN, 'what comes back otherwise is not believed, and nothing of it is kept', [
    {
      name: 'login.nonce',
      promise: 'an ID token is of this sign-in and no other',
      file: company,
      find: 'openid.randomNonce()',
      replace: "'n'.repeat(43)",
    },
    {
      name: 'login.pkce',
      promise: 'a code is of use to the one who asked for it',
      file: company,
      find: 'code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier)',
      replace: "code_challenge: 'c'.repeat(43)",
    },
  ]),
  ...provenBy(LOGIN, 'from a sign-in to the end of it', [
    {
      name: 'login.named',
      promise: 'a name that is two of hers is not taken for one of them',
      file: 'src/oauth/named.ts',
      find: 'if (only && named.length === 1) return only.id;',
      replace: 'if (only) return only.id;',
    },
    {
      name: 'login.one-renewal',
      promise: 'a refresh token is used by one process at a time',
      file: kept,
      find: 'return await withLock(`${fileOf(outside.env, url)}.lock.sqlite`, outside, work);',
      replace: 'return await (withLock ? work() : work());',
    },
    {
      name: 'login.revoked',
      promise: 'who signs out leaves no refresh token that is good',
      file: company,
      find: "await openid.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });",
      replace: 'await refreshToken;',
    },
  ]),
  ...provenBy('test/cli/file-lock.test.ts', 'no two are in at once, when one is killed inside while others wait', [
    {
      name: 'login.lock',
      promise: 'no two processes hold a lock by file, whoever is killed',
      file: 'src/cli/file-lock.ts',
      find: 'return tryLockFile(file);',
      replace: 'return tryLockFile(`${file}${process.pid}`);',
    },
  ]),
  ...provenBy(PARTS, 'what an issuer says is held against what was asked', [
    {
      name: 'login.signature',
      promise: 'an ID token is signed by the issuer, whatever stands between',
      file: company,
      find: 'execute = [openid.enableNonRepudiationChecks]',
      replace: 'execute: ((config: openid.Configuration) => void)[] = []',
    },
    {
      name: 'login.same-person',
      promise: 'a renewed sign-in is of the same person',
      file: company,
      find: 'renewed.subject !== subject',
      replace: 'false',
    },
    {
      name: 'login.page',
      promise: 'nobody is sent to a page that is not https',
      file: company,
      find: 'url && isConfidential(url)',
      replace: 'url && isConfidential',
    },
  ]),
  ...provenBy(RENEWAL, 'a refresh token is forgotten only where the issuer says that it is spent', [
    {
      name: 'login.spent',
      promise: 'an issuer that is busy or away ends no sign-in',
      file: company,
      find: "cause.error === 'invalid_grant'",
      replace: "cause.error !== ''",
    },
  ]),
  ...provenBy(RENEWAL, 'nothing is spent on a sign-in that cannot be kept', [
    {
      name: 'login.keepable',
      promise: 'no refresh token is spent where what comes for it cannot be kept',
      file: 'src/cli/login/renew.ts',
      find: 'assertKeepable(outside.env, now.url);',
      replace: 'void assertKeepable;',
    },
  ]),
  ...provenBy(RENEWAL, 'a refresh token that came instead is kept, whatever fails of the rest', [
    {
      name: 'login.rotated',
      promise: 'a refresh token that replaces the one shown is kept before anything that may fail',
      file: company,
      find: 'await open(signIn, telling(rotated))',
      replace: 'await open(signIn, rotated && undefined)',
    },
  ]),
  ...provenBy(PARTS, 'where people sign in is said by the service, over https, and chosen by name', [
    {
      name: 'login.issuer',
      promise: 'nobody signs in at an issuer in the clear, whatever the service says',
      file: 'src/cli/login/logins.ts',
      find: '!url || !isConfidential(url)',
      replace: '!isConfidential',
    },
    {
      name: 'login.words',
      promise: 'what the service says of an issuer is nothing that a terminal or a URL would read otherwise',
      file: 'src/cli/login/logins.ts',
      find: '/^[!-~]{1,512}$/.test(value)',
      replace: "value !== ''",
    },
  ]),
  ...provenBy(PARTS, 'the browser comes back once, by the address that it was given', [
    {
      name: 'login.host',
      promise: 'a page that was led to loopback by a name of its own ends no sign-in',
      file: loopback,
      find: 'host === new URL(origin).host',
      replace: "host !== ''",
    },
    {
      name: 'login.state',
      promise: 'who comes back without the state of this sign-in neither makes nor ends it',
      file: loopback,
      find: " && url.searchParams.get('state') === state",
      replace: '',
    },
    {
      name: 'login.once',
      promise: 'one redirect ends a sign-in, and no other is heard',
      file: loopback,
      find: ' || taken',
      replace: '',
    },
  ]),
  ...provenBy(PARTS, 'what an issuer sent is text on the page', [
    {
      name: 'login.escape',
      promise: 'what an issuer sends is no markup of ours',
      file: 'src/cli/login/page.ts',
      find: 'escape(part.slice(0, LONGEST))',
      replace: 'part.slice(0, escape ? LONGEST : 0)',
    },
  ]),
  ...provenBy(PARTS, 'a sign-in is for one service, and kept where nobody else reads or writes', [
    {
      name: 'login.service',
      promise: 'a sign-in is shown to the service that it was made for',
      file: kept,
      find: 'whole && signIn.url === url',
      replace: 'whole && url',
    },
  ]),
];

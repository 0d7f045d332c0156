// People sign in by the real command at a bare oidc-provider, and are then who they are bound to, until they sign out.
import { statSync } from 'node:fs';
import { decodeJwt } from 'jose';
import t, { type Test } from 'tap';
import { cli } from '../cli/stand-in.ts';
import { startCommand } from '../support/command.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { COMMAND, startCompany, WIKI } from '../support/company.ts';
import { openSigningIn, seen, type SigningIn } from '../support/signing-in.ts';

const HOUR_MS = 3_600_000;

/** Ana is the administrator `ana`, and may be the workload `laptop`. */
async function bindAna(t: Test, { federation }: SigningIn) {
  const { service } = federation;
  const scopes = ['workloads:read', 'workloads:write', 'audit:read'];
  const { body: ana } = await service.call('POST', '/v1/administrators', { slug: 'ana', scopes });
  const laptop = await federation.register('laptop');
  const rule = { trusted_issuer: 'acme', subject: 'ana' };
  t.equal((await service.call('POST', `/v1/administrators/${ana.id}/identities`, rule)).status, 201);
  await federation.identify(laptop.id, { ...rule, person: true });
  return { ana: ana.id as string, laptop: laptop.id };
}

t.test('from a sign-in to the end of it', async (t) => {
  const sandbox = await startTestSandbox(t);
  const world = await openSigningIn(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { company, federation } = world;
  const { service } = federation;
  const { issuerUrl } = service.config;
  const bound = await bindAna(t, world);
  const own = world.laptop();

  await t.test('by code: the browser comes back, and the command says who she is', async (t) => {
    const { code, stdout, stderr, page } = await own.login(['--json'], 'ana', { apart: true });
    t.equal(code, 0, stderr);
    t.match(JSON.parse(stdout), {
      ...{ kind: 'administrator', id: bound.ana, slug: 'ana', as: 'ana@acme.example', issuer: 'acme', subject: 'ana' },
      renewed: true,
    });
    t.match(page, { status: 200, text: /<h1>You signed in at acme<\/h1>/ });
    t.match(page.headers.get('content-security-policy'), /^default-src 'none'/);
    t.equal(page.headers.get('cache-control'), 'no-store');
    const [asked = '', ...more] = await seen(own.opened, () => stderr);
    t.same(more, [], 'the page is one argument of the browser');
    const { searchParams, origin } = new URL(asked);
    t.equal(origin, company.url);
    t.match(Object.fromEntries(searchParams), {
      ...{ response_type: 'code', client_id: COMMAND, code_challenge_method: 'S256', prompt: 'consent' },
      ...{ redirect_uri: /^http:\/\/127\.0\.0\.1:\d+\/callback$/, state: /^.{43}$/, nonce: /^.{43}$/ },
    });
    await t.rejects(fetch(searchParams.get('redirect_uri') as string), 'nothing listens there any more');
    const kept = own.signIn() as Record<string, string>;
    t.match(kept, { url: service.url, issuer: company.url, client_id: COMMAND, subject: 'ana' });
    for (const token of [kept['id_token'], kept['refresh_token']]) t.notMatch(stdout + stderr, token as string);
    t.equal(statSync(own.kept).mode & 0o777, 0o700);
    t.match(await cli(['whoami', '--json'], own.env).then(({ json }) => json()), {
      ...{ kind: 'administrator', slug: 'ana', as: 'ana@acme.example', issuer: 'acme', subject: 'ana' },
    });
  });

  await t.test('what she does is on record with who she is', async (t) => {
    const { code, stderr } = await cli(['workload', 'create', 'job', '--reason', 'a new job'], own.env);
    t.equal(code, 0, stderr);
    const { body } = await service.call('GET', '/v1/audit?kind=workload.created');
    t.match(body.items[0], { actor: bound.ana, details: { as: 'ana@acme.example', reason: 'a new job' } });
    const minted = await service.call('GET', `/v1/audit?kind=token.minted&actor=${bound.ana}`);
    t.match(minted.body.items[0].details, { external_subject: 'ana', person: 'ana@acme.example' });
    const doctor = await cli(['doctor'], own.env);
    t.match(doctor.stdout, `takes you for administrator ${bound.ana}`);
    const reasonless = await cli(['workload', 'create', 'other', '--as', bound.ana], own.env);
    t.match(reasonless, { code: 2, stderr: /--reason is missing/ });
  });

  await t.test('as a workload, she gets credentials', async (t) => {
    const connection = await connectAccount(service, sandbox);
    await service.call('POST', '/v1/grants', { workload: bound.laptop, selector: { connection: connection.id } });
    const asked = ['token', '--connection', connection.id];
    const token = await cli(asked, own.env);
    t.equal(decodeJwt(token.stdout.trim()).sub, bound.laptop, token.stderr);
    const named = await cli(['token'], { ...own.env, COUNTERSIGN_AS: bound.laptop });
    t.match(decodeJwt(named.stdout.trim()), { sub: bound.laptop, aud: `${issuerUrl}/v1` });
    t.match(await cli([...asked, '--as', bound.ana], own.env), { code: 1, stderr: /\[invalid_target\]/ });
    t.match(await cli(['token', '--as', 'Ana'], own.env), { code: 2, stderr: /--as is neither a name nor the id/ });
    const format = ['--format', 'credential-process'];
    for (const time of ['fetched', 'kept']) {
      const { stdout, stderr } = await cli(['credentials', connection.id, ...format], own.env);
      t.match(JSON.parse(stdout), { Version: 1, AccessKeyId: /^ASIA/ }, `${time} ${stderr}`);
    }
    const handed = await service.call('GET', `/v1/audit?kind=credentials.handed_out&workload=${bound.laptop}`);
    t.equal(handed.body.items.length, 1, 'SDKs start a new process each time');
  });

  await t.test('she says by name which of hers she means, and no name of another is found', async (t) => {
    const subjectOf = async (as: string, env = own.env): Promise<unknown> => {
      const { stdout, stderr } = await cli(['token', '--as', as], env);
      return stdout ? decodeJwt(stdout.trim()).sub : stderr;
    };
    t.equal(await subjectOf('laptop'), bound.laptop);
    t.equal(await subjectOf('ana'), bound.ana);
    t.equal((await cli(['whoami', '--json'], { ...own.env, COUNTERSIGN_AS: 'laptop' })).code, 0);
    await federation.register('stranger');
    for (const as of ['stranger', 'nobody']) {
      const said = await subjectOf(as);
      const own = `who signed in is the administrator ana (${bound.ana}) and the workload laptop (${bound.laptop})`;
      t.ok(String(said).includes(`${own}, and nobody called "${as}"`), String(said));
    }
    const twin = await service.call('POST', '/v1/workloads', { slug: 'ana' });
    const rule = { trusted_issuer: 'acme', subject: 'ana' };
    const { body } = await service.call('GET', `/v1/workloads/${bound.laptop}/identities`);
    await service.call('DELETE', `/v1/workloads/${bound.laptop}/identities/${body.items[0].id}`);
    await federation.identify(twin.body.id, { ...rule, person: true });
    t.equal(await subjectOf(twin.body.id), twin.body.id);
    t.match(
      await subjectOf('ana'),
      /"ana" is the administrator ana \(ad_\w+\) and the workload ana \(wl_\w+\): say by id/,
    );
    const { body: twins } = await service.call('GET', `/v1/workloads/${twin.body.id}/identities`);
    await service.call('DELETE', `/v1/workloads/${twin.body.id}/identities/${twins.items[0].id}`);
    await federation.identify(bound.laptop, { ...rule, person: true });
  });

  await t.test('it is renewed before it ends, by one process at a time', async (t) => {
    const later = {
      now: () => Date.now() + HOUR_MS - 30_000,
      sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    };
    const before = own.signIn() as Record<string, string>;
    const ended = await Promise.all([1, 2, 3].map(() => cli(['whoami'], own.env, later)));
    t.same(
      ended.map(({ code, stderr }) => [code, stderr]),
      [1, 2, 3].map(() => [0, '']),
    );
    const after = own.signIn() as Record<string, string>;
    t.not(after['refresh_token'], before['refresh_token'], 'each is good once');
    t.not(after['id_token'], before['id_token']);
    t.match(after, { subject: 'ana', name: 'acme' });
    t.equal((await cli(['whoami'], own.env, later)).code, 0);
    t.match(own.signIn(), { refresh_token: /./ }, 'and the issuer took nobody for a thief');
  });

  await t.test('signed out, she is nobody, here and at the company', async (t) => {
    const { refresh_token = '' } = own.signIn() as Record<string, string>;
    t.match(await cli(['logout', '--json'], own.env).then(({ json }) => json()), {
      ...{ signed_out: true, issuer: 'acme', revoked: true },
    });
    t.equal(own.signIn(), undefined);
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: COMMAND });
    const answer = await fetch(`${company.url}/token`, { method: 'POST', body });
    t.match(await answer.json(), { error: 'invalid_grant' });
    t.match(await cli(['whoami'], own.env), { code: 2, stderr: /countersign login/ });
    t.match(await cli(['logout'], own.env), { code: 0, stdout: /Nobody was signed in/ });
  });

  await t.test('by another device', async (t) => {
    const { code, stdout, stderr, page } = await own.login(['--device', '--json', '--as', bound.laptop], 'ana');
    t.equal(code, 0, stderr);
    t.match(JSON.parse(stdout), { kind: 'workload', id: bound.laptop, issuer: 'acme' });
    t.match(stderr, /open \S+\/device on any device, and enter the code\n\n {2}[A-Z]{4}-[A-Z]{4}\n/);
    t.match(page, { status: 200, url: new RegExp(`^${company.url}/device/`) });
    t.match(await cli(['whoami'], own.env), { code: 0 });
  });

  await t.test('once the issuer renews it no more, it says what to do', async (t) => {
    const { refresh_token: token = '' } = own.signIn() as Record<string, string>;
    const body = new URLSearchParams({ token, client_id: COMMAND });
    t.equal((await fetch(`${company.url}/token/revocation`, { method: 'POST', body })).status, 200);
    const at = (ms: number) => cli(['whoami'], own.env, { now: () => Date.now() + HOUR_MS + ms });
    t.match(await at(-50_000), { code: 0 }, 'while it lives it is shown');
    for (const time of ['over', 'and over'])
      t.match(await at(0), { code: 1, stderr: /\[sign_in_over\]\nhint: .*countersign login/ }, time);
  });

  await t.test('somebody whom nobody bound is told what to ask for', async (t) => {
    const bobs = world.laptop();
    const bob = await bobs.login([], "bob's $(id)");
    t.equal(bob.code, 1);
    t.match(bob.stderr, /\[nobody_bound\]/);
    t.match(
      bob.stderr,
      `countersign administrator identity add <administrator> --issuer acme --subject 'bob'\\''s $(id)' --reason`,
    );
    t.ok(bobs.signIn(), 'it is kept: once she is bound, it works');
  });
});

t.test('what comes back otherwise is not believed, and nothing of it is kept', async (t) => {
  const world = await openSigningIn(t);
  const { federation } = world;
  await bindAna(t, world);
  const own = world.laptop();
  const set = (name: string, value: string | undefined) => (url: URL) => {
    if (value === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    return url;
  };
  const cases: [string, Parameters<typeof own.login>[2], RegExp][] = [
    ['another issuer', { detour: set('iss', 'https://evil.example') }, /"iss".*\[sign_in_not_believed\]/],
    ['no issuer', { detour: set('iss', undefined) }, /"iss".*\[sign_in_not_believed\]/],
    ['another nonce', { opens: set('nonce', 'n'.repeat(43)) }, /nonce.*\[sign_in_not_believed\]/],
    ['another code', { detour: set('code', 'c'.repeat(43)) }, /invalid_grant.*\[issuer_refused\]/],
    ['another challenge', { opens: set('code_challenge', 'c'.repeat(43)) }, /invalid_grant.*\[issuer_refused\]/],
    ['who leaves', { leaves: true }, /access_denied.*\[issuer_refused\]/],
    [
      'a fault with markup',
      { leaves: true, detour: set('error_description', '<img src=x>\u001b[2J') },
      /<img src=x>\\u001b\[2J \(access_denied\)/,
    ],
  ];
  for (const [name, person, said] of cases) {
    const { code, stderr, page } = await own.login([], 'ana', person);
    t.equal(code, 1, name);
    t.match(stderr, said, name);
    t.match(page, { status: 400, text: /You are not signed in/ }, name);
    t.notMatch(page.text, '<img', name);
    t.equal(own.signIn(), undefined, name);
  }

  t.comment('the server that the browser comes back to');
  const running = startCommand(t, ['login', '--no-browser'], own.env);
  const page = new URL(
    await seen(
      () => /^ {2}(https:\S+)$/m.exec(running.stderr())?.[1],
      () => running.stderr(),
    ),
  );
  const callback = new URL(page.searchParams.get('redirect_uri') as string);
  t.equal(callback.hostname, '127.0.0.1');
  const at = async (url: string, init = {}) => (await fetch(url, { redirect: 'manual', ...init })).status;
  t.equal(await at(`${callback.origin}/favicon.ico`), 404);
  t.equal(await at(callback.href, { method: 'POST' }), 404);
  const others = [set('state', 'x'.repeat(43)), set('state', undefined)];
  for (const other of others) t.equal(await at(other(new URL(`${callback.href}?code=x`)).href), 404, 'not sent by it');
  t.equal(await at(`${callback.href}?error=access_denied`), 404, 'nor does it end by what others say');
  running.child.kill('SIGINT');
  t.match(await running.ended, { code: 130 }, 'Ctrl-C ends it');
  t.equal(own.opened()?.[0] === page.href, false, 'no browser was asked');

  t.comment('nobody comes');
  const late = startCommand(t, ['login', '--no-browser', '--wait', '1s'], own.env);
  t.match(await late.ended, { code: 1 });
  t.match(late.stderr(), /\[sign_in_timeout\]/);

  t.comment('a choice of issuers');
  const other = await startCompany(t);
  const login = { client_id: WIKI, scopes: [] };
  await federation.trust({ name: 'subsidiary', kind: 'oidc', issuer: other.url, login });
  await federation.trust({ name: 'github', kind: 'github', issuer: 'https://token.actions.githubusercontent.com' });
  t.match(await cli(['login'], own.env), { code: 2, stderr: /--issuer: acme, subsidiary/ });
  const none = await cli(['login', '--issuer', 'github'], own.env);
  t.match(none, { code: 2, stderr: /Nobody signs in at github.*\n.*acme, subsidiary/ });
  t.match(await own.login(['--issuer', 'subsidiary'], 'ana'), { code: 1, stderr: /\[nobody_bound\]/ });
  t.match(own.signIn(), { issuer: other.url, refresh_token: undefined });
  for (const name of ['acme', 'subsidiary'])
    await federation.service.call('PATCH', `/v1/trusted-issuers/${name}`, { login: null });
  t.match(await cli(['login'], own.env), { code: 1, stderr: /\[no_login\]\nhint: .*--login-client-id/ });
});

// Sessions on disk for credential_process: for whom and how long, who may read them, what is not believed.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cli, CONNECTION, problem, type Reply, startStandIn, type StandInOptions } from './stand-in.ts';

const FORMAT = ['--format', 'credential-process'];
const MINUTE = 60_000;

/** A service that hands out sessions of an hour, or what `reply` says; and a time that passes as the test says. */
async function start(t: Test, options: StandInOptions = {}) {
  let [now, nth] = [Date.now(), 0];
  const world = { reply: undefined as Reply | undefined, pass: (ms: number) => void (now += ms) };
  const hand = (): Reply => {
    const Expiration = `${new Date(now + 3_600_000).toISOString().slice(0, 19)}Z`;
    return (
      world.reply ?? { body: { AccessKeyId: `ASIA${++nth}`, SecretAccessKey: 'sekret', Token: 'tok', Expiration } }
    );
  };
  const standIn = await startStandIn(
    t,
    {
      [`POST /v1/connections/${CONNECTION}/credentials`]: hand,
      'POST /v1/connections/acme/credentials': hand,
    },
    options,
  );
  // A token that is there already: the stand-in would hold a client's assertion against the time that is.
  const env = { COUNTERSIGN_URL: standIn.url, COUNTERSIGN_TOKEN: 'one' };
  const cache = join(standIn.folder, 'cache');
  const folder = join(cache, 'countersign');
  const run = (argv: string[] = [], more: Record<string, string> = {}) =>
    cli(
      ['credentials', CONNECTION, ...FORMAT, ...argv],
      { ...env, XDG_CACHE_HOME: cache, ...more },
      { now: () => now },
    );
  const key = async (argv?: string[], more?: Record<string, string>): Promise<string> => {
    const { code, stdout, stderr } = await run(argv, more);
    if (code !== 0) throw new Error(stderr);
    return (JSON.parse(stdout) as { AccessKeyId: string }).AccessKeyId;
  };
  const file = (): string => join(folder, readdirSync(folder).sort()[0] ?? '');
  return { ...standIn, world, folder, run, key, file };
}

t.test('given while enough of it remains, as the broker gives it; then fetched anew', async (t) => {
  const { key, world, folder, file, calls } = await start(t);
  t.equal(await key(), 'ASIA1');
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.equal(statSync(file()).mode & 0o777, 0o600);
  t.same(readdirSync(folder).length, 1, 'nothing half written is left');
  world.pass(39 * MINUTE);
  t.equal(await key(), 'ASIA1');
  t.equal(calls.length, 1, 'no process asked again');
  world.pass(2 * MINUTE);
  t.equal(await key(), 'ASIA2', 'less than a third is left');
  t.equal(await key(), 'ASIA2');
  world.pass(-10 * MINUTE);
  t.equal(await key(), 'ASIA3', 'one from the future is not believed');
});

t.test('each identity, service, connection, purpose, duration and policy is its own', async (t) => {
  const { key, url, env, folder } = await start(t);
  const policy = join(folder, '../../deny.json');
  writeFileSync(policy, '{"Version":"2012-10-17","Statement":[]}');
  const other = { COUNTERSIGN_TOKEN: 'another' };
  const client = { COUNTERSIGN_TOKEN: '', ...env };
  const keys = [
    await key(),
    await key([], other),
    await key([], client),
    await key(['--purpose', 'report']),
    await key(['--duration-seconds', '900']),
    await key(['--session-policy', policy]),
    await key([], { COUNTERSIGN_URL: url.replace('127.0.0.1', 'localhost') }),
  ];
  t.equal(new Set(keys).size, keys.length);
  t.equal(await key([], other), keys[1], 'and each is kept');
  t.notMatch(readdirSync(folder).join(), /another|report|wl_/, 'names say nothing');
});

t.test("a platform's token file counts by what it says: another workload's finds nothing kept", async (t) => {
  // Whatever is shown is taken: it is what is kept here that is looked at.
  const token = { body: { access_token: 'issued-token', token_type: 'Bearer', expires_in: 900 } };
  const { key, folder } = await start(t, { refuseToken: token });
  const file = join(folder, '../../platform-token');
  const as = async (claims: object): Promise<string> => {
    writeFileSync(file, `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`);
    return await key([], { COUNTERSIGN_TOKEN: '', COUNTERSIGN_IDENTITY_TOKEN_FILE: file });
  };
  const billing = await as({ iss: 'https://cluster', sub: 'billing', iat: 1, exp: 2 });
  t.equal(
    await as({ iss: 'https://cluster', sub: 'billing', iat: 3, exp: 4, jti: 'x' }),
    billing,
    'renewed, it is the same',
  );
  t.not(await as({ iss: 'https://cluster', sub: 'shipping', iat: 3, exp: 4 }), billing);
  t.not(await as({ iss: 'https://other', sub: 'billing', iat: 3, exp: 4 }), billing);
});

t.test('what has expired goes when something is written, whoever it was for', async (t) => {
  const { key, world, folder } = await start(t);
  await key(['--purpose', 'report']);
  world.pass(30 * MINUTE);
  await key();
  writeFileSync(join(folder, 'agent-9911.token'), 'not of these');
  world.pass(29 * MINUTE);
  await key(['--purpose', 'other']);
  t.equal(readdirSync(folder).length, 4, 'what lives stays');
  world.pass(2 * MINUTE);
  await key(['--purpose', 'another']);
  t.equal(readdirSync(folder).length, 4, 'the first is gone');
});

t.test('what was left half way, or is no session, goes as well', async (t) => {
  const { key, world, folder, file } = await start(t);
  await key(['--purpose', 'report']);
  const good = readFileSync(file(), 'utf8');
  const name = `session-${'0'.repeat(64)}.json`;
  const left = [`${name}.0123456789ab`, name];
  writeFileSync(join(folder, `${name}.0123456789ab`), good, { mode: 0o600 });
  writeFileSync(join(folder, name), good.slice(0, 20), { mode: 0o600 });
  const isThere = () => left.map((each) => existsSync(join(folder, each)));
  world.pass(MINUTE);
  await key(['--purpose', 'other']);
  t.same(isThere(), [true, false], 'what another process may be writing now stays');
  world.pass(10 * MINUTE);
  await key(['--purpose', 'another']);
  t.same(isThere(), [false, false]);
  t.equal(readdirSync(folder).length, 3, 'what lives stays');
});

t.test('a ready token that has ended: what lives is given; refused before its end, it is removed', async (t) => {
  const { run, world, folder } = await start(t);
  const exp = Math.floor(Date.now() / 1000) + 3000;
  const COUNTERSIGN_TOKEN = `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.x`;
  const refused = problem(401, 'invalid_token', 'The token was refused.');
  await run([], { COUNTERSIGN_TOKEN });
  world.pass(45 * MINUTE);
  world.reply = refused;
  t.match(await run([], { COUNTERSIGN_TOKEN }), { code: 1, stdout: '', stderr: /invalid_token/ });
  t.same(readdirSync(folder), []);
  world.reply = undefined;
  t.match(await run([], { COUNTERSIGN_TOKEN }), { code: 0, stdout: /ASIA2/ });
  world.pass(45 * MINUTE);
  world.reply = refused;
  const kept = /^warning: COUNTERSIGN_TOKEN has ended.*kept is given/;
  t.match(await run([], { COUNTERSIGN_TOKEN }), { code: 0, stdout: /ASIA2/, stderr: kept });
});

t.test("a platform's token that has ended: what lives is given; refused otherwise, it is removed", async (t) => {
  const token: Reply = { body: { access_token: 'issued-token', token_type: 'Bearer', expires_in: 900 } };
  const options = { refuseToken: token };
  const { run, world, folder } = await start(t, options);
  const refuse = (why: string): void => {
    const error = { error: 'invalid_request', error_description: `the subject token was refused: ${why}` };
    options.refuseToken = { status: 400, body: error };
  };
  const file = join(folder, '../../platform-token');
  writeFileSync(file, `e30.${Buffer.from('{"sub":"billing"}').toString('base64url')}.x`);
  const who = { COUNTERSIGN_TOKEN: '', COUNTERSIGN_IDENTITY_TOKEN_FILE: file };
  t.match(await run([], who), { code: 0, stdout: /ASIA1/ });
  world.pass(45 * MINUTE);
  for (const why of ['it has expired', 'it was used before, and may be shown once']) {
    refuse(why);
    t.match(await run([], who), { code: 0, stdout: /ASIA1/, stderr: /^warning: .*kept is given/ }, why);
  }
  refuse('no workload has this identity');
  t.match(await run([], who), { code: 1, stdout: '', stderr: /no workload has this identity/ });
  t.same(readdirSync(folder), []);
});

t.test('--no-cache, and the other formats, neither read nor write', async (t) => {
  const { key, folder, run } = await start(t);
  t.equal(await key(['--no-cache']), 'ASIA1');
  t.notOk(existsSync(folder));
  t.equal(await key(), 'ASIA2');
  t.equal(await key(['--no-cache']), 'ASIA3');
  t.match(await run(['--format', 'json']), { stdout: /ASIA4/ });
});

t.test('a file that is open to others, a link, or no session is not believed, and said', async (t) => {
  const { run, file, folder } = await start(t);
  await run();
  const good = readFileSync(file(), 'utf8');
  chmodSync(file(), 0o644);
  t.match(await run(), { stdout: /ASIA2/, stderr: /^warning: .*open to others \(mode 644/ });
  t.equal(statSync(file()).mode & 0o777, 0o600);
  t.match(await run(), { stdout: /ASIA2/, stderr: '' });
  for (const text of [
    '',
    '{"at":1',
    'null',
    good.replace('"tok"', '7'),
    good.replace(/"Expiration":"[^"]*"/, '"Expiration":"x"'),
  ]) {
    writeFileSync(file(), text);
    t.match(await run(), { code: 0, stderr: /^warning: .*does not hold a session/ }, text.slice(0, 20));
  }
  const elsewhere = join(folder, '../elsewhere');
  writeFileSync(elsewhere, good, { mode: 0o600 });
  const name = file();
  const { rmSync } = await import('node:fs');
  rmSync(name);
  symlinkSync(elsewhere, name);
  t.match(await run(), { code: 0, stderr: /^warning: .*is a link/ });
  t.equal(readFileSync(elsewhere, 'utf8'), good, 'and what it led to is as it was');
});

t.test('a folder that is open to others keeps nothing', async (t) => {
  const { run, folder } = await start(t);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  chmodSync(folder, 0o755);
  t.match(await run(), { code: 0, stdout: /ASIA1/, stderr: /^warning: .*open to others .*nothing is kept/ });
  t.same(readdirSync(folder), []);
  t.match(await run([], { XDG_CACHE_HOME: '' }), { code: 0, stderr: /HOME and XDG_CACHE_HOME are not set/ });
});

t.test(
  'the files of another user are not believed',
  { skip: process.getuid?.() !== 0 && 'it takes root' },
  async (t) => {
    const { chownSync } = await import('node:fs');
    const { run, file, folder } = await start(t);
    await run();
    chownSync(file(), 65_534, 65_534);
    t.match(await run(), { stdout: /ASIA2/, stderr: /^warning: .*belongs to another user/ });
    chownSync(folder, 65_534, 65_534);
    t.match(await run(), { stdout: /ASIA3/, stderr: /^warning: .*belongs to another user.*nothing is kept/ });
  },
);

t.test('the service away: what lives is given, with a warning; refused for good, it is removed', async (t) => {
  const { run, world, folder } = await start(t);
  await run();
  world.pass(45 * MINUTE);
  world.reply = problem(503, 'sts_unavailable', 'STS does not answer.');
  t.match(await run(), { code: 0, stdout: /ASIA1/, stderr: /^warning: STS does not answer\..*kept is given/ });
  world.reply = { status: 404, headers: { 'content-type': 'text/html' }, body: '<p>no such host' };
  t.match(await run(), { code: 0, stdout: /ASIA1/, stderr: /^warning: / }, 'nor is a proxy the service');
  world.reply = problem(503, 'sts_unavailable', 'STS does not answer.');
  world.pass(14.5 * MINUTE);
  t.match(await run(), { code: 1, stdout: '', stderr: /sts_unavailable/ }, 'not in its last minute');
  world.reply = undefined;
  await run();
  world.pass(45 * MINUTE);
  world.reply = problem(403, 'workload_suspended', 'This workload is suspended.');
  t.match(await run(), { code: 1, stdout: '', stderr: /workload_suspended/ });
  t.same(readdirSync(folder), [], 'forgotten');
});

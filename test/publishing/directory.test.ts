// `countersign publish` into a directory: the bytes that the service serves, whole, only what changed, by one at a time.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { tryLock } from '../../src/db/lock.ts';
import type { Api, Query } from '../../src/cli/api.ts';
import { openDirectory } from '../../src/cli/publish/directory.ts';
import { publishOn } from '../../src/cli/publish/run.ts';
import { parsePlace } from '../../src/cli/publish/target.ts';
import { tempDir } from '../support/service.ts';
import { DISCOVERY, openPublishingWorld, pathsOf } from './world.ts';

t.test('every document as the service serves it; then only what changed', async (t) => {
  const { service, run, turnOn, connect, served } = await openPublishingWorld(t);
  const dir = tempDir(t);
  const { issuer } = await connect('Acme');
  await turnOn(dir);
  t.match((await run(['publish', '--to', `${dir}/.`])).json(), { target: dir, issuers: 2, written: 4, verified: true });
  for (const path of pathsOf(issuer)) {
    t.equal(readFileSync(join(dir, path), 'utf8'), await served(path), path);
    t.equal(statSync(join(dir, path)).mode & 0o777, 0o644, 'for everybody to read');
    t.same(
      readdirSync(dirname(join(dir, path))).filter((name) => name.endsWith('.new')),
      [],
    );
  }
  t.match((await run(['publish', '--to', dir])).json(), { written: 0, verified: false });
  const jwks = join(dir, `c/${issuer}/jwks`);
  const before = readFileSync(jwks, 'utf8');
  t.equal((await service.call('POST', `/v1/keys/${issuer}/rotate`, { now: true })).status, 200);
  const { issuer: second } = await connect('Beta');
  t.match((await run(['publish', '--to', dir])).json(), { written: 3 });
  t.not(readFileSync(jwks, 'utf8'), before);
  for (const path of [...pathsOf(issuer), ...pathsOf(second)])
    t.equal(readFileSync(join(dir, path), 'utf8'), await served(path), path);
  const listed = (await run(['publishing', 'list'])).json() as { items: { passed_at: string }[] };
  t.match(listed.items, [{ target: dir, verified_at: String }]);
  t.ok(Date.now() - Date.parse(listed.items[0]?.passed_at as string) < 60_000);
});

t.test('what somebody else changed is seen, mended, and its keys season anew', async (t) => {
  const { service, run, turnOn, served } = await openPublishingWorld(t);
  const dir = tempDir(t);
  await turnOn(dir);
  await run(['publish', '--to', dir]);
  const placements = async () => (await service.database.db.selectFrom('placements').selectAll().execute()).length;
  t.equal(await placements(), 2);
  writeFileSync(join(dir, 'jwks'), '{"keys":[]}');
  t.match((await run(['publish', '--to', dir, '--verify'])).json(), { written: 1, verified: true });
  t.equal(readFileSync(join(dir, 'jwks'), 'utf8'), await served('jwks'));
  t.equal(await placements(), 4, 'placed again');
  rmSync(join(dir, DISCOVERY));
  t.match(
    (await run(['publish', '--to', dir])).json(),
    { written: 1, verified: true },
    'seen without being told to look',
  );
});

t.test('a key that is revoked goes at once, though the publisher had its token by it', async (t) => {
  const { service, run, turnOn, served } = await openPublishingWorld(t);
  const dir = tempDir(t);
  await turnOn(dir);
  let turn = 0;
  const { promise: stopped, resolve: end } = Promise.withResolvers<void>();
  const sleep = async (): Promise<void> => {
    turn += 1;
    if (turn > 1) return end();
    const { keys } = (await service.call('GET', '/v1/keys/platform')).body.items[0];
    const { kid } = keys.find(({ state }: { state: string }) => state === 'active');
    const revoked = await service.call('POST', '/v1/keys/platform/revoke', { kid, accept_outage: true });
    t.equal(revoked.status, 200, JSON.stringify(revoked.body));
  };
  const ended = await run(['publish', '--to', dir, '--watch'], { sleep, stopped: () => stopped });
  t.equal(ended.code, 0, ended.stderr);
  t.equal(readFileSync(join(dir, 'jwks'), 'utf8'), await served('jwks'));
});

t.test('who ends a publisher does not wait for the rest of its pass', async (t) => {
  const { promise: stopped, resolve: end } = Promise.withResolvers<void>();
  const sent: [string, unknown][] = [];
  const documents = ['a', 'b', 'c'].map((issuer) => ({
    issuer,
    documents: [{ document: 'jwks', path: `c/${issuer}/jwks`, version: '1', body: '{}' }],
  }));
  const publisher = {
    ...{ id: 'tg_x', now: Date.now, progress: () => {} },
    api: {
      get: async (_path: string, query: Query = {}) => ({ max_age: 60, items: query.revoked ? [] : documents }),
      send: async (_method: string, path: string, body?: unknown) => (sent.push([path, body]), { epoch: 1 }),
    } as unknown as Api,
    target: {
      ...{ take: () => () => {}, look: async () => undefined, close: () => {}, width: 1 },
      put: async () => (end(), await stopped, 'tag'),
    },
  };
  const pace = { verify: false, everyMs: 1, sleep: () => stopped, stopped };
  await publishOn(publisher, pace, { passed: () => t.fail('not whole'), failed: () => t.fail('ended, not failed') });
  t.match(sent.slice(1), [
    [/placements$/, { documents: [{ issuer: 'a' }] }],
    [/lease$/, { release: true }],
  ]);
  t.equal(sent.length, 3);
});

t.test('one publisher at a time writes to a directory', async (t) => {
  const { run, turnOn } = await openPublishingWorld(t);
  const dir = tempDir(t);
  await turnOn(dir);
  mkdirSync(join(dir, '.countersign-publisher'));
  const release = tryLock(join(dir, '.countersign-publisher'));
  const refused = await run(['publish', '--to', dir]);
  t.match(JSON.parse(refused.stderr), { error: { code: 'directory_in_use', hint: String } });
  t.notOk(existsSync(join(dir, 'jwks')));
  release?.();
  t.equal((await run(['publish', '--to', dir])).code, 0, 'the lease was given back, too');
});

t.test(
  'a directory that cannot be written: what was placed is on record, and the next pass does the rest',
  async (t) => {
    const { service, run, turnOn, connect } = await openPublishingWorld(t);
    const dir = tempDir(t);
    await connect('Acme');
    await turnOn(dir);
    writeFileSync(join(dir, '.well-known'), 'in the way');
    const refused = await run(['publish', '--to', dir]);
    t.equal(refused.code, 1);
    t.match(JSON.parse(refused.stderr), { error: { code: 'directory_unwritable', hint: /\S/ } });
    const { db } = service.database;
    const jwks = await db.selectFrom('placed_documents').select('issuer').where('document', '=', 'jwks').execute();
    t.ok(
      jwks.some(({ issuer }) => issuer === 'platform'),
      'its JWKS had been placed before',
    );
    t.match((await run(['publishing', 'list'])).json(), { items: [{ passed_at: undefined }] });
    rmSync(join(dir, '.well-known'));
    t.match((await run(['publish', '--to', dir])).json(), { written: 1 });
  },
);

t.test('nothing is written but documents, whatever the service names', async (t) => {
  const dir = tempDir(t);
  const target = await openDirectory(dir);
  for (const path of ['../jwks', 'c/../../jwks', '/etc/jwks', 'c/is_x/jwks', 'index.html', 'jwks/x', ''])
    await t.rejects(target.put(path, '{}', 5, undefined), { code: 'unexpected_answer' }, path);
  t.same(readdirSync(dir), []);
});

t.test('what --to may be, and what is said where it may not', async (t) => {
  const { run, turnOn } = await openPublishingWorld(t);
  const dir = tempDir(t);
  const failed = async (argv: string[]) => JSON.parse((await run(argv)).stderr).error;
  t.match(await failed(['publish', '--to', dir]), { code: 'publishing_off', hint: /countersign publishing on --to/ });
  const gone = join(dir, 'not-mounted');
  await turnOn(gone);
  t.match(await failed(['publish', '--to', gone]), { code: 'directory_missing' });
  for (const to of [
    's3://',
    's3://B',
    's3://documents/a b',
    's3://documents/../x',
    'https://x',
    'gs://documents',
    '/a b',
  ])
    t.match(await failed(['publish', '--to', to]), { code: 'usage' }, to);
  t.match(parsePlace('s3://documents/a/b/'), { name: 's3://documents/a/b', bucket: 'documents', prefix: 'a/b/' });
  t.match(parsePlace('/srv/www/../id'), { name: '/srv/id' });
  t.match(await failed(['publishing', 'on', '--to', dir]), { code: 'usage', detail: /--reason/ });
});

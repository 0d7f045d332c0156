// `workload` and `administrator`: what is sent for each verb, and the reason that goes with it.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cli, problem, type Received, type Reply, startStandIn } from './stand-in.ts';

const CLIENT = {
  ...{
    id: `wl_${'c'.repeat(26)}`,
    slug: 'billing',
    description: '',
    state: 'active',
    scopes: ['audit:read'],
    audiences: [],
    version: 1,
  },
  ...{
    keys: [{ kid: 'K'.repeat(43), alg: 'ES256', jwk: {}, created_at: '2026-11-21T09:00:00.000Z', expires_at: null }],
  },
  ...{ created_at: '2026-11-21T09:00:00.000Z', updated_at: '2026-11-21T09:00:00.000Z' },
};
const ADMINISTRATOR = { clientId: `ad_${'d'.repeat(26)}` };

t.test('create sends what was given, once, with an idempotency key', async (t) => {
  const { env, calls } = await startStandIn(t, { 'POST /v1/workloads': { status: 201, body: CLIENT } });
  const ended = await cli(
    [
      'workload',
      'create',
      'billing',
      '--scope',
      'audit:read',
      '--scope',
      'keys:read',
      '--audience',
      'https://x.example.com',
      '--json',
    ],
    env,
  );
  t.equal(ended.code, 0, ended.stderr);
  t.same(ended.json(), CLIENT);
  t.strictSame(calls[0]?.body, {
    slug: 'billing',
    scopes: ['audit:read', 'keys:read'],
    audiences: ['https://x.example.com'],
  });
  t.match(calls[0]?.headers['idempotency-key'], /^[0-9a-f-]{36}$/);
  await cli(['workload', 'create', 'billing', '--idempotency-key', 'mine'], env);
  t.equal(calls[1]?.headers['idempotency-key'], 'mine');
  t.strictSame(calls[1]?.body, { slug: 'billing' });
});

t.test('a creating call whose connection was lost is sent once more, with the same key; a change is not', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/workloads': (_received, nth) => (nth === 0 ? { reset: true } : { status: 201, body: CLIENT }),
    'PATCH /v1/workloads/billing': { reset: true },
  });
  t.equal((await cli(['workload', 'create', 'billing'], env)).code, 0);
  t.equal(calls.length, 2);
  t.equal(calls[0]?.headers['idempotency-key'], calls[1]?.headers['idempotency-key']);
  t.match(await cli(['workload', 'suspend', 'billing'], env), { code: 3, stderr: /look before you try again/ });
  t.equal(calls.length, 3);
});

t.test('the reason is percent-encoded UTF-8', async (t) => {
  const { env, calls } = await startStandIn(t, { 'PATCH /v1/workloads/billing': { body: CLIENT } }, ADMINISTRATOR);
  const reason = 'Größe: 100 % → "früher"';
  t.equal((await cli(['workload', 'suspend', 'billing', '--reason', `${reason}\n`], env)).code, 0);
  const header = calls[0]?.headers['countersign-reason'] ?? '';
  t.match(header, /^[!-~]+$/, 'visible ASCII alone');
  t.equal(decodeURIComponent(header), reason);
  t.strictSame(calls[0]?.body, { state: 'suspended' });
});

t.test('an administrator who gives no reason, or too long a one, is told before anything is sent', async (t) => {
  const { env, calls, tokens } = await startStandIn(t, {}, ADMINISTRATOR);
  t.match(await cli(['workload', 'suspend', 'billing'], env), { code: 2, stderr: /--reason is missing/ });
  for (const reason of ['x'.repeat(501), ' ', '\ud800', 'a\nb'])
    t.match(await cli(['workload', 'suspend', 'billing', '--reason', reason], env), {
      code: 2,
      stderr: /1 to 500|one line/,
    });
  t.equal(calls.length + tokens.length, 0);
  await cli(['workload', 'list'], env);
  t.equal(calls.length, 1, 'reading needs none');
});

t.test('suspend, resume and the sets', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'PATCH /v1/workloads/billing': { body: CLIENT },
    'PATCH /v1/administrators/ana': { body: CLIENT },
  });
  for (const argv of [
    ['workload', 'resume', 'billing'],
    ['workload', 'set-description', 'billing', 'Costs'],
    ['workload', 'set-scopes', 'billing', 'audit:read', 'keys:read'],
    ['workload', 'set-scopes', 'billing', '--none'],
    ['workload', 'set-audiences', 'billing', 'https://x.example.com'],
    ['administrator', 'suspend', 'ana'],
    ['administrator', 'set-scopes', 'ana', 'audit:read'],
  ]) {
    t.equal((await cli(argv, env)).code, 0, argv.join(' '));
  }
  t.strictSame(
    calls.map(({ body }) => body),
    [
      { state: 'active' },
      { description: 'Costs' },
      { scopes: ['audit:read', 'keys:read'] },
      { scopes: [] },
      { audiences: ['https://x.example.com'] },
      { state: 'suspended' },
      { scopes: ['audit:read'] },
    ],
  );
  t.equal((await cli(['workload', 'set-scopes', 'billing'], env)).code, 2, 'nothing named is no way to take all away');
  t.equal((await cli(['administrator', 'set-audiences', 'ana', 'x'], env)).code, 2);
});

t.test('what a person types stays in its segment of the path', async (t) => {
  const { env, calls } = await startStandIn(t);
  for (const name of ['../administrators', 'a/b?c=d#e', '%2e%2e']) await cli(['workload', 'show', name], env);
  t.equal(calls.length, 3);
  for (const { path, query } of calls) {
    t.match(path, /^\/v1\/workloads\/[^/]+$/);
    t.same(query, {});
  }
  for (const name of ['..', '.', '']) t.equal((await cli(['workload', 'show', name], env)).code, 2);
  t.equal(calls.length, 3);
});

t.test('list: a table, a word on what is left, and every page with --all', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'GET /v1/workloads': ({ query }) => ({
      body:
        query.cursor === undefined
          ? { items: [CLIENT], next_cursor: 'c2' }
          : { items: [{ ...CLIENT, id: 'wl_2', slug: 'a-longer-slug' }] },
    }),
  });
  const page = await cli(['workload', 'list', '--limit', '1'], env);
  t.match(
    page.stdout,
    /^ID +SLUG +STATE +KEYS +SCOPES\nwl_c+ +billing +active +1 +audit:read\nThere is more: --cursor c2, or --all\.\n$/,
  );
  t.notMatch(page.stdout, '\u001b');
  t.same((await cli(['workload', 'list', '--json'], env)).json(), { items: [CLIENT], next_cursor: 'c2' });
  const all = (await cli(['workload', 'list', '--all', '--json'], env)).json() as { items: unknown[] };
  t.equal(all.items.length, 2);
  t.strictSame(Object.keys(all), ['items']);
  t.strictSame(
    calls.map(({ query }) => query),
    [{ limit: '1' }, {}, { limit: '200' }, { limit: '200', cursor: 'c2' }],
  );
});

t.test('create --generate-key: the private half in a file of mode 0600, the public one sent', async (t) => {
  const { env, calls, folder } = await startStandIn(t, { 'POST /v1/workloads': { status: 201, body: CLIENT } });
  const file = join(folder, 'billing.pem');
  t.equal((await cli(['workload', 'create', 'billing', '--generate-key', file], env)).code, 0);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.match(readFileSync(file, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
  t.match(calls[0]?.body, { slug: 'billing', keys: [{ kty: 'EC', crv: 'P-256' }] });
  const { keys } = (calls[0] as Received).body as { keys: object[] };
  t.strictSame(
    keys.map((key) => Object.keys(key)),
    [['kty', 'crv', 'x', 'y']],
    'no private member',
  );
  t.match(await cli(['workload', 'create', 'billing', '--generate-key', file], env), {
    code: 1,
    stderr: /\[file_exists\]/,
  });
  t.equal(calls.length, 1, 'nothing is sent for a key that was not written');
});

t.test('a key that was refused leaves no file; one whose fate is unknown does', async (t) => {
  const { env, folder } = await startStandIn(t, {
    'POST /v1/workloads': problem(409, 'slug_taken', 'Taken.'),
    'POST /v1/workloads/billing/keys': { reset: true },
  });
  const [refused, unknown] = [join(folder, 'refused.pem'), join(folder, 'unknown.pem')];
  t.equal((await cli(['workload', 'create', 'billing', '--generate-key', refused], env)).code, 1);
  t.notOk(existsSync(refused));
  const lost = await cli(['workload', 'key', 'generate', 'billing', '--out', unknown], env);
  t.match(lost, { code: 3, stderr: /unknown\.pem is kept: / });
  t.ok(existsSync(unknown));
  const proxied: Reply[] = [502, 504, 404].map((status) => ({ status, body: '<html>' }));
  for (const reply of [...proxied, problem(500, 'internal_error', 'x'), { body: 'no JSON' }]) {
    const { env: behind, folder: own } = await startStandIn(t, { 'POST /v1/workloads': reply });
    const file = join(own, 'billing.pem');
    t.equal((await cli(['workload', 'create', 'billing', '--generate-key', file], behind)).code, 1);
    t.ok(existsSync(file), `${reply.status} of a proxy, after the commit or before`);
  }
  const { env: nobody, folder: own } = await startStandIn(t, {}, { refuseToken: { status: 503, body: '<html>' } });
  t.equal((await cli(['workload', 'key', 'generate', 'x', '--out', join(own, 'x.pem')], nobody)).code, 1);
  t.notOk(existsSync(join(own, 'x.pem')), 'nothing was sent');
  t.equal((await cli(['workload', 'key', 'generate', '..', '--out', join(folder, 'y.pem')], env)).code, 2);
  t.notOk(existsSync(join(folder, 'y.pem')), 'nor here');
});

t.test('key generate without a client sends nothing and prints the public JWK', async (t) => {
  const { folder } = await startStandIn(t);
  for (const [alg, members] of [
    ['ES256', ['kty', 'crv', 'x', 'y', 'kid', 'alg']],
    ['RS256', ['kty', 'n', 'e', 'kid', 'alg']],
  ] as const) {
    const file = join(folder, `${alg}.pem`);
    const ended = await cli(['workload', 'key', 'generate', '--out', file, '--alg', alg, '--json']);
    t.strictSame(Object.keys(ended.json() as object), members);
    t.equal(statSync(file).mode & 0o777, 0o600);
    const before = readFileSync(file, 'utf8');
    t.match(await cli(['workload', 'key', 'generate', '--out', file]), { code: 1, stderr: /never written over/ });
    t.equal(readFileSync(file, 'utf8'), before);
  }
  const text = await cli(['workload', 'key', 'generate', '--out', join(folder, 'text.pem')]);
  t.match(JSON.parse(text.stdout), { kty: 'EC', kid: /^[\w-]{43}$/ }, 'the text form can go to a file, and to key add');
});

t.test('key add takes public keys alone; key remove names the kid', async (t) => {
  const KEY = CLIENT.keys[0];
  const { env, calls, folder } = await startStandIn(t, {
    'POST /v1/administrators/ana/keys': { status: 201, body: KEY },
    [`DELETE /v1/administrators/ana/keys/${KEY?.kid}`]: { status: 204 },
  });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'theirs', use: 'sig', key_ops: ['verify'], ext: true };
  const files = { jwk: JSON.stringify(jwk), pem: publicKey.export({ type: 'spki', format: 'pem' }) as string };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content);
    t.equal(
      (
        await cli(
          ['administrator', 'key', 'add', 'ana', join(folder, name), '--expires-at', '2027-01-31T00:00:00Z'],
          env,
        )
      ).code,
      0,
    );
  }
  const { x, y } = jwk;
  for (const call of calls)
    t.strictSame(call.body, { jwk: { kty: 'EC', crv: 'P-256', x, y }, expires_at: '2027-01-31T00:00:00.000Z' });
  const secrets = {
    'private.jwk': JSON.stringify(privateKey.export({ format: 'jwk' })),
    'private.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
  for (const [name, content] of Object.entries(secrets)) {
    writeFileSync(join(folder, name), content);
    t.match(await cli(['administrator', 'key', 'add', 'ana', join(folder, name)], env), {
      code: 1,
      stderr: /\[private_key_given\]/,
    });
  }
  t.equal(calls.length, 2, 'no private key was sent');
  const removed = await cli(['administrator', 'key', 'remove', 'ana', KEY?.kid ?? '', '--json'], env);
  t.same(removed.json(), { kid: KEY?.kid, removed: true });
});

// /v1/workloads: registering, reading, changing; bad input; idempotency; pages; records.
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { ecJwk, openApi, refused } from '../clients/api.ts';

t.test('a workload is registered, read by id and slug, changed, suspended; each change is recorded', async (t) => {
  const api = await openApi(t);
  const epochs = new Set([await api.epoch()]);
  const jwk = ecJwk();
  const created = await api.call('POST', '/v1/workloads', {
    ...{
      slug: 'billing',
      description: 'Bills',
      scopes: ['audit:read'],
      audiences: ['https://bills.example.com', 'urn:example:bills'],
    },
    keys: [{ ...jwk, kid: 'mine', use: 'sig', alg: 'ES256', key_ops: ['verify'], ext: true }],
  });
  epochs.add(await api.epoch());
  t.equal(created.status, 201);
  t.match(created.body, {
    id: /^wl_[a-z2-7]{26}$/,
    slug: 'billing',
    state: 'active',
    version: 1,
    scopes: ['audit:read'],
  });
  t.strictSame(Object.keys(created.body).sort(), [
    'audiences',
    'created_at',
    'description',
    'id',
    'keys',
    'max_outlive_seconds',
    'scopes',
    'slug',
    'state',
    'updated_at',
    'version',
  ]);
  const [key] = created.body.keys;
  t.strictSame(key.jwk, { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y }, 'what describes the key is dropped');
  t.match(key, { kid: /^[A-Za-z0-9_-]{43}$/, alg: 'ES256', created_at: '2026-11-20T12:00:00.000Z', expires_at: null });
  const stored = await api.database.db.selectFrom('workloads').select('jwks').executeTakeFirstOrThrow();
  t.strictSame(stored.jwks, { keys: [{ ...key.jwk, kid: key.kid, alg: 'ES256', created_at: key.created_at }] });

  for (const reference of [created.body.id, 'billing']) {
    t.strictSame((await api.call('GET', `/v1/workloads/${reference}`)).body, created.body);
  }
  refused(t, await api.call('GET', '/v1/workloads/nobody'), 404, 'not_found');
  refused(t, await api.call('PATCH', '/v1/workloads/nobody', { description: '' }), 404, 'not_found');

  const changed = await api.call('PATCH', '/v1/workloads/billing', {
    state: 'suspended',
    scopes: [],
    description: 'Off',
  });
  epochs.add(await api.epoch());
  t.match(changed, {
    status: 200,
    body: {
      state: 'suspended',
      scopes: { length: 0 },
      description: 'Off',
      version: 2,
      audiences: created.body.audiences,
    },
  });
  t.strictSame(changed.body.keys, created.body.keys, 'what is not named stays');

  t.match(await api.records('workload.'), [
    {
      kind: 'workload.created',
      actor: 'host',
      workload: created.body.id,
      details: { slug: 'billing', scopes: ['audit:read'], kids: [key.kid] },
    },
    {
      kind: 'workload.updated',
      workload: created.body.id,
      details: { state: 'suspended', version: 2, description: 'Off' },
    },
  ]);
  t.equal(epochs.size, 3, 'every change bumps the policy epoch');
});

t.test('a slug is given once', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  refused(t, await api.call('POST', '/v1/workloads', { slug: 'one' }), 409, 'slug_taken');
  t.equal((await api.records('workload.')).length, 1);
});

t.test('bad input is refused with a code and a hint, and changes nothing', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const before = await api.epoch();
  for (const body of [
    {},
    { slug: 'Two' },
    { slug: 'wl_two' },
    { slug: 't' },
    { slug: 7 },
    { slug: 'two', description: 'a\u0000b' },
    { slug: 'two', description: '\ud800' },
    { slug: 'two', description: 'x'.repeat(501) },
    { slug: 'two', scopes: ['everything'] },
    { slug: 'two', scopes: ['audit:read', 'audit:read'] },
    { slug: 'two', scopes: 'audit:read' },
    { slug: 'two', id: 'wl_aaaaaaaaaaaaaaaaaaaaaaaaaa' },
    { slug: 'two', state: 'active' },
    { slug: 'two', keys: [{ kty: 'oct', k: 'c2VjcmV0' }] },
    { slug: 'two', keys: [null] },
    [],
    null,
  ]) {
    const answer = await api.call('POST', '/v1/workloads', body);
    t.match(answer, { status: 400, body: { code: /^invalid_(request|key)$/, hint: /\S/ } }, JSON.stringify(body));
  }
  for (const raw of ['{"slug":"two","slug":"three"}', '{"slug":"two","__proto__":{}}', '{', '']) {
    t.match(
      await api.call('POST', '/v1/workloads', undefined, { raw }),
      { status: 400, body: { code: /\S/, hint: /\S/ } },
      raw,
    );
  }
  for (const body of [{}, { slug: 'other' }, { keys: [] }, { state: 'gone' }, { version: 3 }]) {
    refused(t, await api.call('PATCH', '/v1/workloads/one', body), 400, 'invalid_request');
  }
  for (const path of [
    '/v1/workloads/..%2fone',
    '/v1/workloads/%00',
    '/v1/workloads/ONE',
    '/v1/workloads?limit=0',
    '/v1/workloads?page=2',
    '/v1/workloads?limit=1&limit=2',
  ]) {
    refused(t, await api.call('GET', path), 400, 'invalid_request', path);
  }
  refused(t, await api.call('GET', '/v1/workloads?cursor=bm9uc2Vuc2U'), 400, 'invalid_cursor');
  t.equal(await api.epoch(), before);
});

t.test('audiences: https URLs in one spelling and URNs, none of ours, none of a cloud', async (t) => {
  const api = await openApi(t);
  for (const audience of [
    'https://a.example.com',
    'https://a.example.com/v1/',
    'https://a.example.com:8443/x?y=1',
    'urn:example:a',
  ]) {
    t.equal(
      (
        await api.call('POST', '/v1/workloads', {
          slug: `ok-${Math.random().toString(36).slice(2)}`,
          audiences: [audience],
        })
      ).status,
      201,
      audience,
    );
  }
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  for (const audience of [
    ...[
      'http://a.example.com',
      'a.example.com',
      'https://A.example.com',
      'https://a.example.com:443',
      'https://u:p@a.example.com',
      'https://a.example.com/x/../y',
    ],
    ...[
      'https://a.example.com/#f',
      'https://a.example.com./',
      'URN:example:a',
      'urn:a',
      'https://',
      'sts.amazonaws.com',
      '//iam.googleapis.com/x',
    ],
    ...[
      'https://id.example.com',
      'https://id.example.com/v1',
      'https://id.example.com/oauth2/token',
      'https://id.example.com/',
      'https://ID.example.com/v1',
    ],
    ...[
      'https://sts.amazonaws.com',
      'https://sts.eu-west-1.amazonaws.com',
      'https://iam.googleapis.com/x',
      'api://AzureADTokenExchange',
    ],
  ]) {
    refused(
      t,
      await api.call('POST', '/v1/workloads', { slug: 'two', audiences: [audience] }),
      400,
      'audience_refused',
      audience,
    );
    refused(
      t,
      await api.call('PATCH', '/v1/workloads/one', { audiences: [audience] }),
      400,
      'audience_refused',
      `${audience}, in a change`,
    );
  }
});

t.test('keys that nobody should register', async (t) => {
  const api = await openApi(t);
  await api.call('POST', '/v1/workloads', { slug: 'one' });
  const ec = ecJwk();
  const rsa = (modulusLength: number, publicExponent = 65537): Record<string, string> =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export({ format: 'jwk' }) as Record<
      string,
      string
    >;
  const good = rsa(2048);
  const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
  const bad: [string, Record<string, unknown>][] = [
    ['a point off the curve', { ...ec, y: ec.x }],
    ['P-384', p384],
    ['a padded coordinate', { ...ec, x: `${ec.x}=` }],
    [
      'another spelling of the last bits',
      { ...ec, x: `${(ec.x as string).slice(0, -1)}${nextLetter((ec.x as string).at(-1) as string)}` },
    ],
    ['a coordinate missing', { kty: 'EC', crv: 'P-256', x: ec.x }],
    ['a short coordinate', { ...ec, x: Buffer.alloc(31, 1).toString('base64url') }],
    ['another algorithm', { ...ec, alg: 'RS256' }],
    ['RSA of 1024 bits', rsa(1024)],
    [
      'RSA of 2047 bits',
      {
        ...good,
        n: Buffer.from(good.n as string, 'base64url')
          .fill(0x7f, 0, 1)
          .toString('base64url'),
      },
    ],
    [
      'RSA of 4097 bits',
      { ...good, n: Buffer.concat([Buffer.from([1]), Buffer.alloc(511, 7), Buffer.from([7])]).toString('base64url') },
    ],
    ['RSA with exponent 3', rsa(2048, 3)],
    ['RSA with exponent 1', { ...good, e: 'AQ' }],
    [
      'an even modulus',
      {
        ...good,
        n: Buffer.from(good.n as string, 'base64url')
          .fill(0, 255)
          .toString('base64url'),
      },
    ],
    [
      'a leading zero',
      {
        ...good,
        n: Buffer.concat([Buffer.alloc(1), Buffer.from(good.n as string, 'base64url')]).toString('base64url'),
      },
    ],
    ['members of both kinds', { ...good, x: ec.x }],
    ['Ed25519', generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })],
    ['a URL to fetch it from', { ...ec, x5u: 'https://keys.example.com' }],
    ['encryption', { ...ec, use: 'enc' }],
    ['signing as its operation', { ...ec, key_ops: ['sign'] }],
    ['a private key', secret],
  ];
  for (const [name, jwk] of bad) {
    for (const [url, body] of [
      ['/v1/workloads/one/keys', { jwk }],
      ['/v1/workloads', { slug: 'two', keys: [jwk] }],
    ] as const) {
      const answer = await api.call('POST', url, body);
      t.match(answer, { status: 400, body: { code: /^invalid_(key|request)$/, hint: /\S/ } }, name);
    }
  }
  for (const [url, body] of [
    ['/v1/workloads/one/keys', { jwk: secret }],
    ['/v1/workloads', { slug: 'two', keys: [ec, secret] }],
  ] as const) {
    const answer = await api.call('POST', url, body);
    refused(t, answer, 400, 'invalid_key');
    t.match(answer.body.detail, /private members: d\./, 'by name');
    t.notMatch(JSON.stringify(answer.body), secret.d as string);
  }
  const rs = await api.call('POST', '/v1/workloads/one/keys', { jwk: rsa(4096) });
  t.match(rs, { status: 201, body: { alg: 'RS256', jwk: { kty: 'RSA', e: 'AQAB' } } });
  t.strictSame((await api.call('GET', '/v1/workloads/one')).body.keys.length, 1);
});

function nextLetter(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(letter) ^ 1] as string;
}

t.test('Idempotency-Key: one workload, the same answer; another request with it is refused', async (t) => {
  const api = await openApi(t);
  const headers = { 'idempotency-key': 'k-1' };
  const first = await api.call('POST', '/v1/workloads', { slug: 'one', description: 'x' }, { headers });
  const again = await api.call('POST', '/v1/workloads', { description: 'x', slug: 'one' }, { headers });
  t.strictSame([again.status, again.body], [201, first.body]);
  t.equal((await api.records('workload.created')).length, 1);
  refused(t, await api.call('POST', '/v1/workloads', { slug: 'two' }, { headers }), 422, 'idempotency_key_reused');
  const other = { as: { kind: 'administrator', id: 'ad_other' }, headers } as const;
  t.equal(
    (await api.call('POST', '/v1/workloads', { slug: 'two' }, other)).status,
    201,
    "another actor's keys are its own",
  );
  const failed = { headers: { 'idempotency-key': 'k-2' } };
  refused(t, await api.call('POST', '/v1/workloads', { slug: 'one' }, failed), 409, 'slug_taken');
  t.equal(
    (await api.call('POST', '/v1/workloads', { slug: 'three' }, failed)).status,
    201,
    'a refusal does not take the key',
  );
  const key = { jwk: ecJwk() };
  const added = await api.call('POST', '/v1/workloads/one/keys', key, { headers: { 'idempotency-key': 'k-3' } });
  const repeated = await api.call('POST', '/v1/workloads/one/keys', key, { headers: { 'idempotency-key': 'k-3' } });
  t.strictSame([repeated.status, repeated.body], [201, added.body]);
});

t.test('a list comes in pages, each workload once', async (t) => {
  const api = await openApi(t);
  const slugs = ['delta', 'alpha', 'echo', 'bravo', 'charlie'];
  for (const slug of slugs) await api.call('POST', '/v1/workloads', { slug });
  const seen: string[] = [];
  let cursor = '';
  do {
    const { status, body } = await api.call('GET', `/v1/workloads?limit=2${cursor}`);
    t.equal(status, 200);
    seen.push(...body.items.map((item: { slug: string }) => item.slug));
    cursor = body.next_cursor ? `&cursor=${body.next_cursor}` : '';
  } while (cursor !== '');
  t.strictSame(seen, [...slugs].sort());
  t.notOk((await api.call('GET', '/v1/workloads')).body.next_cursor);
});

// Who the command says it is: a ready token, a client's own key, the host's socket; and the token for each audience.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cli, CONNECTION, ISSUER, listen, problem, sendReply, startStandIn, temporaryFolder } from './stand-in.ts';

const WHOAMI = { 'GET /v1/whoami': { body: { kind: 'workload', id: 'wl_x' } } };

t.test('a client proves itself by its own key: the assertion, the resource, no scope', async (t) => {
  const { env, tokens, calls } = await startStandIn(t, WHOAMI);
  const ended = await cli(['whoami'], env);
  t.equal(ended.code, 0, ended.stderr);
  const [token] = tokens;
  t.strictSame(Object.keys(token?.form ?? {}).sort(), [
    'client_assertion',
    'client_assertion_type',
    'client_id',
    'grant_type',
    'resource',
  ]);
  t.match(token?.form, {
    grant_type: 'client_credentials',
    client_id: env.COUNTERSIGN_CLIENT_ID,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    resource: `${ISSUER}/v1`,
  });
  t.match(token?.header, { alg: 'ES256', typ: 'JWT', kid: /^[\w-]{43}$/ });
  const { aud, exp = 0, iat = 0, jti } = token?.claims ?? {};
  t.equal(aud, ISSUER, 'the issuer as text, no array');
  t.ok(exp - iat > 0 && exp - iat <= 300);
  t.match(jti, /^[\w-]{8,128}$/);
  t.equal(calls[0]?.headers.authorization, 'Bearer issued-token');
});

t.test('every assertion has a jti of its own', async (t) => {
  const { env, tokens } = await startStandIn(t, WHOAMI);
  await cli(['whoami'], env);
  await cli(['whoami'], env);
  t.not(tokens[0]?.claims.jti, tokens[1]?.claims.jti);
});

t.test('the key may be a JWK, and RSA', async (t) => {
  const { env, folder, tokens } = await startStandIn(t, WHOAMI);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const file = join(folder, 'rsa.jwk');
  writeFileSync(file, JSON.stringify(privateKey.export({ format: 'jwk' })));
  // The stand-in knows another key: it refuses, and what it says is shown.
  const ended = await cli(['whoami'], { ...env, COUNTERSIGN_PRIVATE_KEY_FILE: file });
  t.match(ended, { code: 1, stderr: /\[invalid_client\]\nhint: .*COUNTERSIGN_CLIENT_ID/ });
  t.equal(tokens.length, 0);
});

t.test('a key file that cannot be used is named, and its content is not shown', async (t) => {
  const { env, folder } = await startStandIn(t, WHOAMI);
  const bad = join(folder, 'bad.pem');
  writeFileSync(bad, '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n');
  const ended = await cli(['whoami', '--verbose'], { ...env, COUNTERSIGN_PRIVATE_KEY_FILE: bad });
  t.match(ended, { code: 1, stderr: /bad\.pem does not hold a private key/ });
  t.notMatch(ended.stderr, 'canary');
  t.match(await cli(['whoami'], { ...env, COUNTERSIGN_PRIVATE_KEY_FILE: join(folder, 'none') }), {
    code: 1,
    stderr: /none cannot be read: ENOENT/,
  });
  const ed = generateKeyPairSync('ed25519');
  writeFileSync(bad, ed.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  t.match(await cli(['whoami'], { ...env, COUNTERSIGN_PRIVATE_KEY_FILE: bad }), {
    code: 1,
    stderr: /\[key_unsupported\]/,
  });
});

t.test('half an identity is wrong usage, and says which half is missing', async (t) => {
  const { env, url, calls } = await startStandIn(t, WHOAMI);
  const without = (name: string): Record<string, string | undefined> => ({ ...env, [name]: undefined });
  t.match(await cli(['whoami'], without('COUNTERSIGN_CLIENT_ID')), { code: 2, stderr: /COUNTERSIGN_CLIENT_ID is not/ });
  t.match(await cli(['whoami'], without('COUNTERSIGN_PRIVATE_KEY_FILE')), {
    code: 2,
    stderr: /COUNTERSIGN_PRIVATE_KEY_FILE is not/,
  });
  t.match(await cli(['whoami'], without('COUNTERSIGN_URL')), { code: 2, stderr: /COUNTERSIGN_URL, which is not set/ });
  t.match(await cli(['whoami'], { COUNTERSIGN_TOKEN: 'x' }), { code: 2, stderr: /COUNTERSIGN_URL/ });
  t.match(await cli(['whoami'], { COUNTERSIGN_URL: url }), { code: 2, stderr: /nothing that says who is asking/ });
  t.equal(calls.length, 0);
});

t.test('discovery without a token endpoint is the public URL', async (t) => {
  const { env } = await startStandIn(t, WHOAMI, { discovery: { token_endpoint: undefined } });
  t.match(await cli(['whoami'], env), { code: 1, stderr: /names no token endpoint.*\nhint: .*INTERNAL_URL/ });
  const clear = await startStandIn(t, WHOAMI, { discovery: { token_endpoint: 'http://id.example.com/oauth2/token' } });
  t.match(
    await cli(['whoami'], clear.env),
    { code: 2, stderr: /in the clear/ },
    'an assertion does not go over http either',
  );
});

t.test('an OAuth error is shown with what to do', async (t) => {
  const refuseToken = {
    status: 400,
    body: { error: 'invalid_target', error_description: 'no grant lets this workload use that connection' },
  };
  const { env } = await startStandIn(t, {}, { refuseToken });
  t.match(await cli(['token', '--connection', CONNECTION], env), {
    code: 1,
    stderr: /no grant lets this workload use that connection \[invalid_target\]\nhint: /,
  });
});

t.test('token: one audience each', async (t) => {
  const { env, tokens } = await startStandIn(t);
  const printed = await cli(['token', '--connection', CONNECTION], env);
  t.equal(printed.stdout, 'issued-token\n');
  t.same((await cli(['token', '--connection', 'acme-prod', '--json'], env)).json(), {
    access_token: 'issued-token',
    token_type: 'Bearer',
    expires_in: 900,
  });
  await cli(['token', '--resource', 'https://billing.example.com'], env);
  await cli(['token', '--scope', 'audit:read', '--scope', 'keys:read'], env);
  t.strictSame(
    tokens.map(({ form }) => [form.resource, form.scope]),
    [
      [`${ISSUER}/v1/connections/${CONNECTION}/credentials`, undefined],
      [`${ISSUER}/v1/credentials`, undefined],
      ['https://billing.example.com', undefined],
      [`${ISSUER}/v1`, 'audit:read keys:read'],
    ],
  );
  t.equal((await cli(['token', '--connection', CONNECTION, '--resource', 'https://x.example.com'], env)).code, 2);
  t.equal((await cli(['token'], { ...env, COUNTERSIGN_TOKEN: 'x' })).code, 2);
});

async function startSocket(t: Test, apiUrl: string): Promise<{ path: string; bodies: unknown[] }> {
  const path = join(temporaryFolder(t), 'host.sock');
  const bodies: unknown[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      if (
        request.method !== 'POST' ||
        request.url !== '/token' ||
        request.headers['content-type'] !== 'application/json'
      ) {
        return sendReply(response, problem(404, 'not_found', 'No.'));
      }
      bodies.push(JSON.parse(text));
      sendReply(response, {
        body: { access_token: 'host-token', token_type: 'Bearer', expires_in: 900, api_url: apiUrl },
      });
    });
  });
  await listen(t, server, path);
  return { path, bodies };
}

t.test('on the host: a token from the socket, with who and why', async (t) => {
  const { url, calls } = await startStandIn(t, { ...WHOAMI, 'DELETE /v1/grants/gr_x': { status: 204 } });
  const { path, bodies } = await startSocket(t, url);
  t.equal((await cli(['whoami'], { SOCKET_PATH: path, USER: 'root', SUDO_USER: 'ana' })).code, 0);
  t.equal(
    (await cli(['grant', 'delete', 'gr_x', '--reason', 'moved', '--as', 'bo'], { SOCKET_PATH: path, USER: 'root' }))
      .code,
    0,
  );
  t.equal((await cli(['token', '--scope', 'audit:read'], { SOCKET_PATH: path, USER: 'cy' })).stdout, 'host-token\n');
  t.strictSame(bodies, [{ as: 'ana' }, { as: 'bo', reason: 'moved' }, { scopes: ['audit:read'], as: 'cy' }]);
  t.strictSame(
    calls.map(({ headers }) => [headers.authorization, headers['countersign-reason']]),
    [
      ['Bearer host-token', undefined],
      ['Bearer host-token', 'moved'],
    ],
  );
});

t.test('the host gets no credentials, and is told who does', async (t) => {
  const { path, bodies } = await startSocket(t, 'http://127.0.0.1:1');
  for (const argv of [
    ['credentials', CONNECTION],
    ['token', '--connection', CONNECTION],
  ]) {
    t.match(await cli(argv, { SOCKET_PATH: path }), {
      code: 2,
      stderr: /credentials are for workloads.*\nhint: .*COUNTERSIGN_CLIENT_ID/,
    });
  }
  t.equal(bodies.length, 0);
});

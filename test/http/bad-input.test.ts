// Bad input over every operation: always a 4xx that says what to do, never a 5xx, and nothing changed.
import { connect } from 'node:net';
import t from 'tap';
import { createForge } from '../support/forge.ts';
import { dumpState } from '../support/dump.ts';
import { assertion, registerClient, tokenForm } from '../support/service.ts';
import {
  goodRequest,
  listOperations,
  openWorld,
  type Operation,
  type Reply,
  type Schema,
  send,
  type Sent,
  type World,
} from './operations.ts';

interface Case {
  name: string;
  sent: Sent;
  /** Any 4xx unless said otherwise. */
  status?: number;
  code?: string;
}

type Test = Parameters<typeof openWorld>[0];

/** A problem document (RFC 9457) with a code and a hint; at the token endpoint an error of RFC 6749. */
function assertRefused(t: Test, { id }: Operation, reply: Reply, { name, status, code }: Case): void {
  const { json, headers } = reply;
  const message = `${id}: ${name} -> ${reply.status} ${reply.text.slice(0, 160)}`;
  const type = headers['content-type'] ?? '';
  // What reaches no operation is refused in the one way of the server.
  const isOAuth = id === 'createToken' && reply.status !== 404;
  const asked = status === undefined ? reply.status >= 400 && reply.status < 500 : reply.status === status;
  const told = isOAuth ? [json?.error, json?.error_description] : [json?.code, json?.detail, json?.hint];
  const described =
    type.includes(isOAuth ? 'application/json' : 'application/problem+json') &&
    told.every((text) => typeof text === 'string' && text !== '');
  const named = code === undefined || isOAuth || json?.code === code;
  const quiet = !/\bat \/|node_modules|select |insert |FST_|Error:|fastify|PostgreSQL/i.test(reply.text);
  const kept = headers['cache-control'] !== 'no-store';
  t.ok(asked && described && named && quiet && !kept, `${message} (${type}, ${headers['cache-control']})`);
}

async function tryAll(t: Test, world: World, operation: Operation, cases: Case[]): Promise<void> {
  const { database, logged, url } = world.service;
  const before = await dumpState(database.db);
  for (const each of cases) assertRefused(t, operation, await send(url, each.sent), each);
  t.same(await dumpState(database.db), before, `${operation.id}: nothing changed`);
  t.same(
    logged.filter(({ level }) => (level as number) >= 50),
    [],
    `${operation.id}: no error in the log`,
  );
}

const isType = (schema: Schema, type: string): boolean =>
  schema.type === type ||
  (Array.isArray(schema.type) && schema.type.includes(type)) ||
  (schema.anyOf ?? []).some((each) => isType(each, type)) ||
  (schema.enum ?? []).some((value) =>
    type === 'boolean' ? typeof value === 'boolean' : type === 'string' && typeof value === 'string',
  );

/** Values of every JSON type that this schema does not take. */
function wrongValues(schema: Schema): unknown[] {
  const candidates: [string, unknown[]][] = [
    ['string', ['', 'x'.repeat(3000), 'nul\u0000byte']],
    ['integer', [7.5, -1, 1e300]],
    ['boolean', [true]],
    ['null', [null]],
    ['array', [[[[]]], [null]]],
    ['object', [{ a: { b: {} } }]],
  ];
  return candidates.flatMap(([type, values]) =>
    isType(schema, type) || (type === 'integer' && isType(schema, 'number')) ? [] : values,
  );
}

function bodyCases(good: Sent, body: Record<string, unknown>, schema: Schema): Case[] {
  const raw = (text: string | Buffer): Sent => ({ ...good, body: text });
  const json = (value: unknown): Sent => raw(JSON.stringify(value));
  const text = JSON.stringify(body);
  const [first = 'x'] = Object.keys(body);
  const members = Object.entries(schema.properties ?? {});
  return [
    { name: 'an unknown member', sent: json({ ...body, unknown_member: 1 }), status: 400, code: 'invalid_request' },
    {
      name: 'a duplicate member',
      sent: raw(text.replace('{', `{${JSON.stringify(first)}:${JSON.stringify(body[first])},`)),
      status: 400,
      code: 'invalid_json',
    },
    {
      name: 'a member twice in two spellings',
      sent: raw(
        text.replace(
          '{',
          `{"\\u${(first.codePointAt(0) as number).toString(16).padStart(4, '0')}${first.slice(1)}":1,`,
        ),
      ),
      status: 400,
      code: 'invalid_json',
    },
    ...['__proto__', 'constructor', 'prototype'].map((name) => ({
      name,
      sent: raw(text.replace('{', `{"${name}":{"admin":true},`)),
      status: 400,
      code: 'invalid_json',
    })),
    {
      name: 'a hidden __proto__',
      sent: raw(text.replace('{', '{"\\u005f_proto__":{},')),
      status: 400,
      code: 'invalid_json',
    },
    { name: 'deep nesting', sent: raw(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`), status: 400, code: 'invalid_json' },
    { name: 'deeper nesting', sent: raw(`${'['.repeat(8000)}${']'.repeat(8000)}`), status: 400, code: 'invalid_json' },
    { name: '17 kB', sent: json({ ...body, [first]: 'x'.repeat(17 * 1024) }), status: 413, code: 'payload_too_large' },
    ...[
      '[]',
      '"x"',
      '7',
      'true',
      'null',
      text.slice(0, -1),
      `${text}${text}`,
      `\uFEFF${text}`,
      `/**/${text}`,
      text.replace('}', ',}'),
      'NaN',
    ].map((value) => ({ name: `the body ${value.slice(0, 20)}`, sent: raw(value), status: 400 })),
    {
      name: 'bytes that are not UTF-8',
      sent: raw(Buffer.concat([Buffer.from('{"'), Buffer.from([0xff, 0xfe]), Buffer.from('":1}')])),
      status: 400,
    },
    ...[
      'text/plain',
      'application/x-www-form-urlencoded',
      'text/json',
      'application/json-patch+json',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      '*/*',
      'json',
    ].map((type) => ({
      ...{
        name: `content type ${type}`,
        sent: { ...good, headers: { ...good.headers, 'content-type': type } },
        status: 415,
        code: 'unsupported_media_type',
      },
    })),
    {
      name: 'no content type',
      sent: {
        ...good,
        headers: Object.fromEntries(Object.entries(good.headers ?? {}).filter(([name]) => name !== 'content-type')),
      },
      status: 415,
      code: 'unsupported_media_type',
    },
    ...(schema.required ?? []).map((name) => ({
      name: `without ${name}`,
      sent: json(Object.fromEntries(Object.entries(body).filter(([member]) => member !== name))),
      status: 400,
      code: 'invalid_request',
    })),
    ...members.flatMap(([name, member]) =>
      wrongValues(member).map((value) => ({
        name: `${name} = ${JSON.stringify(value).slice(0, 24)}`,
        sent: json({ ...body, [name]: value }),
        status: 400,
      })),
    ),
    ...members
      .flatMap(([name, member]) => (member.type === 'object' && member.properties ? nested(body, name, member) : []))
      .map(({ name, value }) => ({ name, sent: json(value), status: 400 })),
  ];
}

/** The same one level down. */
function nested(body: Record<string, unknown>, name: string, schema: Schema): { name: string; value: unknown }[] {
  const inner = (body[name] ?? {}) as Record<string, unknown>;
  const put = (value: object): unknown => ({ ...body, [name]: value });
  return [
    ...(schema['additionalProperties'] === false
      ? [{ name: `${name}: an unknown member`, value: put({ ...inner, unknown_member: 1 }) }]
      : []),
    ...(schema.required ?? []).map((member) => ({
      name: `${name} without ${member}`,
      value: put(Object.fromEntries(Object.entries(inner).filter(([key]) => key !== member))),
    })),
    ...Object.entries(schema.properties ?? {}).flatMap(([member, part]) =>
      wrongValues(part).map((value) => ({
        name: `${name}.${member} = ${JSON.stringify(value).slice(0, 24)}`,
        value: put({ ...inner, [member]: value }),
      })),
    ),
  ];
}

function queryCases(good: Sent, query: Record<string, Schema>): Case[] {
  const ask = (text: string): Sent => ({ ...good, path: `${good.path}?${text}` });
  const bad: [name: string, text: string][] = [['an unknown parameter', 'unknown_parameter=1']];
  for (const [name, schema] of Object.entries(query)) {
    const value = encodeURIComponent(
      String(schema.enum?.[0] ?? (schema.type === 'integer' ? (schema['minimum'] ?? 900) : 'x')),
    );
    bad.push(
      [`${name} twice`, `${name}=${value}&${name}=${value}`],
      [`${name}[]`, `${name}[]=${value}`],
      [`${name}=NUL`, `${name}=%00`],
      [`${name} in another case`, `${name.toUpperCase()}=${value}`],
    );
    if (schema.type === 'integer')
      bad.push(
        ...['0', '-1', '1.5', '1e9', 'abc', '%20', 'null', '99999999999999999999'].map((text): [string, string] => [
          `${name}=${text}`,
          `${name}=${text}`,
        ]),
      );
    else bad.push([`${name}, too long`, `${name}=${'x'.repeat(2000)}`]);
  }
  // How long a session may last is decided behind the grant, which says more.
  return bad.map(([name, text]) => ({
    name,
    sent: ask(text),
    ...(name.startsWith('duration_seconds=') ? {} : { status: 400 }),
  }));
}

/** Only segments that are parameters; what is there otherwise is not found. */
function pathCases(operation: Operation, good: Sent): Case[] {
  const [head, ...rest] = operation.path.split(/\{\w+\}/);
  if (rest.length === 0) return [];
  const tail = good.path.slice(
    good.path.indexOf('/', (head as string).length) === -1
      ? good.path.length
      : good.path.indexOf('/', (head as string).length),
  );
  return [
    '%',
    '%zz',
    '%c3',
    '%00',
    '%ff',
    '%ed%a0%80',
    '..%2f..',
    '%2e%2e',
    'x%20y',
    "'%3b--",
    '%F0%9F%94%91',
    'x'.repeat(300),
    '%25',
    ',',
  ].map((segment) => ({
    name: `the path segment ${segment.slice(0, 12)}`,
    sent: { ...good, path: `${head}${segment}${tail}` },
  }));
}

/** What is wrong before anything about the operation matters. */
async function commonCases(world: World, operation: Operation, good: Sent): Promise<Case[]> {
  const { service } = world;
  const { issuerUrl } = service.config;
  const forge = await createForge(service);
  const now = Math.floor(Date.now() / 1000);
  const withHeaders = (headers: Record<string, string>): Sent => ({
    ...good,
    headers: { ...good.headers, ...headers },
  });
  const bearer = (token: string): Sent => withHeaders({ authorization: `Bearer ${token}` });
  const valid = good.headers?.['authorization']?.slice(7) ?? '';
  const { authorization: _, ...anonymous } = good.headers ?? {};
  const hosts = ['evil.example', '127.0.0.1', `${new URL(service.url).host}.evil.example`, 'localhost:1'].map(
    (host) => ({ name: `Host ${host}`, sent: withHeaders({ host }), status: 421, code: 'misdirected_request' }),
  );
  const methods = {
    name: 'a method that is not served',
    sent: { ...good, method: 'PUT' },
    status: 404,
    code: 'not_found',
  };
  if (!operation.bearer)
    return [...(operation.path.endsWith('z') ? [] : hosts), ...(operation.id === 'createToken' ? [] : [methods])];
  const tokens: [string, string][] = [
    ['an expired token', await forge({ iat: now - 1000, exp: now - 100 })],
    ['a token of another audience', await forge({ aud: 'https://ledger.example' })],
    ['a token for the issuer', await forge({ aud: issuerUrl })],
    ['a token for the token endpoint', await forge({ aud: `${issuerUrl}/oauth2/token` })],
    ['a token of two audiences', await forge({ aud: [`${issuerUrl}/v1`, `${issuerUrl}/v1/credentials`] })],
    [
      'a token for another connection',
      await forge({
        sub: world.workload.id,
        client_id: world.workload.id,
        aud: `${issuerUrl}/v1/connections/cn_${'a'.repeat(26)}/credentials`,
      }),
    ],
    ['a token of another issuer', await forge({ iss: 'https://id.evil.example' })],
    ['a token of a connection issuer', await forge({ iss: `${issuerUrl}/c/${world.params['issuer']}` })],
    ['a web identity token', await forge({}, { typ: 'JWT' })],
    [
      'a token of nobody who is registered',
      await forge({ sub: `wl_${'a'.repeat(26)}`, client_id: `wl_${'a'.repeat(26)}` }),
    ],
    ['a token without a jti', await forge({ jti: undefined })],
    ['a token that lives a day', await forge({ exp: now + 86_400 })],
    ['an altered token', `${valid.slice(0, -8)}AAAAAAAA`],
    [
      'an unsigned token',
      `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${valid.split('.')[1]}.`,
    ],
    ['a token with a key of its own', await forge({}, { jwk: { kty: 'EC' } })],
    ['garbage', 'garbage'],
    ['an endless token', 'x'.repeat(7000)],
  ];
  return [
    ...hosts,
    methods,
    ...tokens.map(([name, token]) => ({ name, sent: bearer(token), status: 401, code: 'invalid_token' })),
    { name: 'no token', sent: { ...good, headers: anonymous }, status: 401, code: 'unauthenticated' },
    { name: 'another scheme', sent: withHeaders({ authorization: 'Basic eDp5' }), status: 401, code: 'invalid_token' },
    { name: 'an empty one', sent: withHeaders({ authorization: 'Bearer ' }), status: 401 },
  ];
}

t.test('every operation', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const forge = await createForge(service);
  const api = await forge({
    sub: 'host',
    client_id: 'host',
    scope: (await import('../../src/http/scopes.ts')).SCOPES.join(' '),
  });
  const credentials = await forge({
    sub: world.workload.id,
    client_id: world.workload.id,
    aud: `${service.config.issuerUrl}/v1/credentials`,
  });
  for (const operation of await listOperations()) {
    const token = operation.path.endsWith('/credentials') ? credentials : api;
    const good = goodRequest(world, operation, operation.bearer ? { authorization: `Bearer ${token}` } : {});
    const cases = [...(await commonCases(world, operation, good)), ...pathCases(operation, good)];
    if (operation.body) {
      t.ok(world.bodies[operation.id], `there is a body for ${operation.id}`);
      cases.push(...bodyCases(good, world.bodies[operation.id] as Record<string, unknown>, operation.body));
    }
    // Documents and health take no parameters, and do not read what is sent.
    if (operation.bearer || Object.keys(operation.query).length > 0) cases.push(...queryCases(good, operation.query));
    await t.test(operation.id, (t) => tryAll(t, world, operation, cases));
  }
});

t.test('the token endpoint', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'shipping' });
  const operation = (await listOperations()).find(({ id }) => id === 'createToken') as Operation;
  const form = async (change: (form: URLSearchParams) => void = () => {}): Promise<string> => {
    const good = new URLSearchParams(tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1`));
    change(good);
    return good.toString();
  };
  const post = (body: string, headers: Record<string, string> = {}): Sent => ({
    ...{ method: 'POST', path: '/oauth2/token', body },
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
  const parameters = ['grant_type', 'client_assertion', 'client_assertion_type', 'resource'];
  const cases: Case[] = [
    ...(await Promise.all(
      parameters.map(async (name) => ({
        name: `without ${name}`,
        sent: post(await form((each) => each.delete(name))),
      })),
    )),
    ...(await Promise.all(
      parameters.map(async (name) => ({
        name: `${name} twice`,
        sent: post(await form((each) => each.append(name, each.get(name) ?? ''))),
        status: 400,
      })),
    )),
    ...(await Promise.all(
      [...parameters, 'scope', 'client_id'].map(async (name) => ({
        name: `${name} is odd`,
        sent: post(await form((each) => each.set(name, 'nul\u0000 \ud800 é'))),
      })),
    )),
    ...(await Promise.all(
      ['client_secret', 'code', '__proto__', 'constructor', 'audience', 'unknown\u0000'].map(async (name) => ({
        name: `with ${name}`,
        sent: post(await form((each) => each.append(name, 'x'))),
        status: 400,
      })),
    )),
    ...['', '%', '%zz=%zz', 'a', '&&&', '=', 'grant_type', 'x'.repeat(300)].map((body) => ({
      name: `the body ${body.slice(0, 12)}`,
      sent: post(body),
      status: 400,
    })),
    { name: '17 kB', sent: post(`resource=${'x'.repeat(17 * 1024)}`), status: 413 },
    { name: 'JSON', sent: post('{}', { 'content-type': 'application/json' }), status: 415 },
    { name: 'no content type', sent: { method: 'POST', path: '/oauth2/token', body: await form() }, status: 415 },
    { name: 'a foreign Host', sent: post(await form(), { host: 'evil.example' }), status: 421 },
    {
      name: 'a client id that is another',
      sent: post(await form((each) => each.set('client_id', `wl_${'a'.repeat(26)}`))),
      status: 400,
    },
    { name: 'a scope that is none', sent: post(await form((each) => each.set('scope', 'everything'))), status: 400 },
    {
      name: 'a resource that is none',
      sent: post(await form((each) => each.set('resource', 'not a url'))),
      status: 400,
    },
    {
      name: 'a resource with a fragment',
      sent: post(await form((each) => each.set('resource', `${issuerUrl}/v1#x`))),
      status: 400,
    },
    { name: 'GET', sent: { method: 'GET', path: '/oauth2/token' }, status: 404 },
  ];
  await tryAll(t, world, operation, cases);
  t.equal(
    (await send(service.url, post(await form()))).status,
    200,
    'the form of these cases is right but for what they change',
  );
});

t.test('paths that nobody serves', async (t) => {
  const world = await openWorld(t);
  const operation = { id: 'nothing', path: '', method: 'GET', bearer: false, query: {}, body: undefined };
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v2/whoami',
    '/V1/whoami',
    '/v1/whoami/',
    '/v1//whoami',
    '//v1/whoami',
    '/%76%31/nothing',
    '/c',
    '/c/x',
    '/.env',
    '/v1/connections/a/b/c/d',
    '/%',
    '/%zz',
    '/%00',
    '/token',
    `/${'x'.repeat(3000)}`,
    '/../../etc/passwd',
  ];
  await tryAll(
    t,
    world,
    operation,
    paths.map((path) => ({ name: path.slice(0, 20), sent: { method: 'GET', path } })),
  );
});

/** What comes back for bytes, until the server closes. */
async function sendBytes(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((settle) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => settle(text));
  });
}

t.test('bytes that are not HTTP, or too many of them', async (t) => {
  const { service } = await openWorld(t);
  const host = `Host: ${new URL(service.url).host}\r\n`;
  const cases: [name: string, bytes: string, status: number, code: string][] = [
    ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_request'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400, 'invalid_request'],
    [
      'two lengths',
      `POST /v1/grants HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
      400,
      'invalid_request',
    ],
    [
      'a length and chunks',
      `POST /v1/grants HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    ['a header over two lines', `GET /v1/whoami HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`, 400, 'invalid_request'],
    [
      'headers of 9 kB',
      `GET /v1/whoami HTTP/1.1\r\n${host}X-Long: ${'x'.repeat(9 * 1024)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'two Hosts',
      `GET /v1/whoami HTTP/1.1\r\n${host}Host: evil.example\r\nConnection: close\r\n\r\n`,
      400,
      'duplicate_header',
    ],
  ];
  for (const [name, bytes, status, code] of cases) {
    const answer = await sendBytes(service.url, bytes);
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${name}: ${answer.slice(0, 300)}`);
    t.match(answer, /content-type: application\/problem\+json/i, name);
    t.match(JSON.parse(answer.slice(answer.indexOf('{'))), { status, code, hint: /\S/, request_id: /^rq_/ }, name);
  }
  t.match(
    await sendBytes(service.url, 'GET /v1/whoami HTTP/1.1\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
    'no Host (RFC 9112, section 3.2)',
  );
});

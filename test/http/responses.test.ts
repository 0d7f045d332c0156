// What leaves: declared members alone, whatever a row holds; and errors that say nothing of what is inside.
import { pino } from 'pino';
import { sql } from 'kysely';
import t from 'tap';
import { buildDocument } from '../../scripts/openapi.ts';
import { createServer } from '../../src/http/server.ts';
import { dumpTables } from '../support/dump.ts';
import { goodRequest, listOperations, openWorld, publicJwk, send } from './operations.ts';

t.test('every operation declares what it answers', async (t) => {
  const document = await buildDocument();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, { operationId, responses }] of Object.entries(item)) {
      const [status = '', answer = {}] = Object.entries(responses).find(([each]) => each.startsWith('2')) ?? [];
      const content = Object.values((answer['content'] ?? {}) as Record<string, { schema?: unknown }>);
      t.ok(status === '204' || content.length > 0, `${operationId}: ${method} ${path}`);
      for (const { schema } of content) t.ok(schema, `${operationId} has a schema`);
    }
  }
});

t.test('a private member in a row of keys does not leave, nor any column that is not declared', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const { db } = service.database;
  const canary = 'canary-that-must-not-leave';
  const stored = JSON.stringify({
    keys: [
      {
        ...publicJwk(),
        kid: 'k'.repeat(43),
        alg: 'ES256',
        created_at: '2026-01-01T00:00:00Z',
        d: canary,
        p: canary,
        internal: canary,
      },
    ],
  });
  for (const table of ['workloads', 'administrators'])
    await sql`update ${sql.table(table)} set jwks = ${stored}::jsonb`.execute(db);
  t.ok(JSON.stringify(await dumpTables(db)).includes(canary), 'the rows hold it');
  const token = await service.hostToken();
  const operations = (await listOperations()).filter(
    ({ method, path, id }) =>
      method === 'GET' && path.startsWith('/v1/') && !path.endsWith('/credentials') && id !== 'listAuditRows',
  );
  t.ok(operations.length > 10);
  for (const operation of operations) {
    const { status, text } = await send(
      service.url,
      goodRequest(world, operation, { authorization: `Bearer ${token}` }),
    );
    t.equal(status, 200, operation.id);
    t.notOk(text.includes(canary), operation.id);
    t.notMatch(
      text,
      /envelope|leased_until|request_hash|changed_xid|selector_kind|"jwks":/,
      `${operation.id}: no internal column`,
    );
  }
});

t.test('no private half and no ciphertext is in any answer about keys', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const rows = await service.database.db.selectFrom('private_keys').select(['kid', 'envelope']).execute();
  const token = await service.hostToken();
  for (const id of ['listRings', 'getRings', 'rotateKeys', 'getJwks', 'getConnectionJwks']) {
    const operation = (await listOperations()).find((each) => each.id === id);
    const { status, text } = await send(
      service.url,
      goodRequest(world, operation as never, { authorization: `Bearer ${token}` }),
    );
    t.equal(status, 200, id);
    for (const { envelope } of rows) {
      for (const encoding of ['base64', 'base64url', 'hex'] as const)
        t.notOk(text.includes(envelope.toString(encoding).slice(8, 60)), id);
    }
    t.notMatch(text, /"(d|p|q|dp|dq|qi|k|oth|x5c|key_ops|ext)":/, `${id}: public members alone`);
  }
});

t.test('an error of our own says nothing about it', async (t) => {
  const lines: string[] = [];
  const server = createServer({
    hosts: new Set(['localhost:80']),
    logger: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  });
  t.teardown(() => server.close());
  const faults: [string, unknown, number][] = [
    [
      'an error',
      Object.assign(new Error('select secret from private_keys where x = canary'), { query: 'canary' }),
      500,
    ],
    [
      'of the database',
      Object.assign(new Error('duplicate key value canary'), {
        code: '23505',
        detail: 'Key (jti)=(canary)',
        table: 'canary',
      }),
      500,
    ],
    ['no error at all', 'canary', 500],
    [
      'of a library, with a status',
      Object.assign(new Error('canary at /srv/node_modules/x.js'), { statusCode: 418 }),
      400,
    ],
    [
      'a connection that was lost',
      Object.assign(new Error('Connection terminated canary'), { code: 'ECONNRESET' }),
      503,
    ],
  ];
  for (const [index, [, fault]] of faults.entries()) {
    server.get(`/${index}`, async () => {
      throw fault;
    });
  }
  for (const [index, [name, , status]] of faults.entries()) {
    const answer = await server.inject(`/${index}`);
    t.equal(answer.statusCode, status, name);
    t.notMatch(answer.body, /canary|select|node_modules|23505|stack/, name);
    t.match(answer.json(), { code: String, hint: String, request_id: /^rq_/ }, name);
    t.equal(answer.headers['x-powered-by'] ?? answer.headers['server'], undefined, 'no version');
  }
  t.ok(
    lines.some((line) => line.includes('canary')),
    'the log has it',
  );
});

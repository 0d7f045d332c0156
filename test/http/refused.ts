// A refusal as every operation must give it, and that nothing changed behind it.
import type { Test } from 'tap';
import { dumpState } from '../support/dump.ts';
import { type Operation, type Reply, send, type Sent, type World } from './operations.ts';

export interface Case {
  name: string;
  sent: Sent;
  /** Any 4xx unless said otherwise. */
  status?: number;
  code?: string;
}

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

export async function tryAll(t: Test, world: World, operation: Operation, cases: Case[]): Promise<void> {
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

// A connection that has answered with garbage, not at all, or as a server that only reads, is closed: what comes on it next
// is nobody's to believe.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type pg from 'pg';

/** What the driver does not declare: the socket, or the TLS one around it. */
type Wired = pg.PoolClient & { connection: { stream: Duplex }; end(): Promise<void> };

/** Errors of queries that got no answer of the server's. */
const unanswered = new WeakSet<object>();

/** Whether a query failed because of its connection, and not because of what it asked. */
export function isUnanswered(error: object): boolean {
  return unanswered.has(error);
}

/** A message that is none, and a server that takes no writes: after a failover the one that was demoted answers its old connections. */
const NO_ANSWERS = new Set(['08P01', '25006']);

/** Whether the server itself said what is wrong with the query, in the protocol: then the connection is as good as before. */
function isServersAnswer(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !NO_ANSWERS.has(code);
}

/** Where a message cannot be read the driver throws from the socket's event, which would end the process: it ends the socket. */
function guard<Wire extends Duplex>(stream: Wire): Wire {
  const emit = stream.emit.bind(stream) as (event: string, ...args: unknown[]) => boolean;
  stream.emit = (event: string, ...args: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...args);
    try {
      return emit(event, ...args);
    } catch (error) {
      stream.destroy(error as Error);
      return true;
    }
  };
  return stream;
}

/** For the driver's option `stream`: guarded from the first byte on. */
export function createWire(): Duplex {
  return guard(new Socket());
}

/**
 * The driver would keep a connection whose query ran out of time, and lend it again: where the answer never comes, or its
 * length was garbled, every later query on it waits as long.
 */
export function guardWires(pool: pg.Pool): void {
  const idle = new Set<pg.PoolClient>();
  const close = (client: pg.PoolClient): void => {
    // One that is ending is not lent again when it is given back; one that is idle leaves the pool by its own error.
    if (idle.has(client)) client.emit('error', new Error('closed with a connection that did not answer'));
    else (client as Wired).end().catch(() => {});
    (client as Wired).connection.stream.destroy();
  };

  pool.on('acquire', (client) => idle.delete(client));
  pool.on('remove', (client) => idle.delete(client));
  pool.on('release', (_error, client) => idle.add(client));
  pool.on('connect', (client) => {
    // One that is lent out has no listener of the pool's: without this, a server's crash would be ours. Its query fails.
    client.on('error', () => {});
    // Over TLS it is another than the one that it was given.
    guard((client as Wired).connection.stream);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      const answer = query(...args);
      if (answer instanceof Promise)
        answer.catch((error: unknown) => {
          if (isServersAnswer(error)) return;
          if (error instanceof Error) unanswered.add(error);
          close(client);
          // What was lost with this one is lost with those that wait beside it; to open them again costs little.
          for (const other of [...idle]) close(other);
        });
      return answer;
    }) as typeof client.query;
  });
}

// The wire to PostgreSQL: garbage on it is an error and a closed connection, never a wrong answer, and never the end of the process.
import { sql } from 'kysely';
import pg from 'pg';
import t, { type Test } from 'tap';
import { isDatabaseAway } from '../../src/db/away.ts';
import { connectPostgres, type Database } from '../../src/db/connect.ts';
import { readDatabase } from '../../src/db/environment.ts';
import { createRandom } from '../soak/random.ts';
import { startPostgres } from '../support/postgres.ts';
import { enableTls } from '../support/postgres-tls.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const TIMEOUT_MS = 700;

async function setUp(t: Test, options: { tls: boolean }): Promise<{ database: Database; proxy: TcpProxy }> {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const roots = options.tls ? await enableTls(cluster) : undefined;
  const url = new URL(cluster.url);
  const proxy = await startTcpProxy(t, { host: '127.0.0.1', port: Number(url.port) }, createRandom(20_261_126));
  url.port = String(proxy.port);
  const problems: string[] = [];
  const values = { DATABASE_URL: url.href, ...(roots ? { DATABASE_CA_FILE: roots } : {}) };
  const address = readDatabase(values, problems)?.service;
  if (!address) throw new Error(problems.join());
  const database = connectPostgres({ address, queryTimeoutMs: TIMEOUT_MS });
  t.teardown(() => database.close());
  return { database, proxy };
}

const TEXT = `abc${'y'.repeat(20)}`;

async function ask({ db }: Database): Promise<boolean> {
  const { rows } = await sql<{ text: string; number: number }>`
    select ${'abc'}::text || repeat('y', 20) as text, 7::bigint as number`.execute(db);
  return rows.length === 1 && rows[0]?.text === TEXT && rows[0].number === 7;
}

interface Count {
  right: number;
  wrong: number;
  failed: number;
  /** Errors that do not say that the database is away. */
  ours: string[];
}

/** Several at once for a while. @returns how many answers were right, wrong, and none. */
async function askFor(ms: number, database: Database): Promise<Count> {
  const count: Count = { right: 0, wrong: 0, failed: 0, ours: [] };
  const end = performance.now() + ms;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      await ask(database).then(
        (right) => void (count[right ? 'right' : 'wrong'] += 1),
        (error: unknown) => {
          count.failed += 1;
          if (!isDatabaseAway(error)) count.ours.push(String(error));
        },
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  await Promise.all(Array.from({ length: 6 }, one));
  return count;
}

/** Asks while the wire is garbled, until enough of what passed was harmed and heard of. */
async function askGarbled(database: Database, proxy: TcpProxy, enough: number): Promise<Count> {
  const all: Count = { right: 0, wrong: 0, failed: 0, ours: [] };
  proxy.harm = 'garble';
  await until(async () => {
    const count = await askFor(1000, database);
    for (const name of ['right', 'wrong', 'failed'] as const) all[name] += count[name];
    all.ours.push(...count.ours);
    return proxy.harmed > enough && all.failed > 0;
  });
  proxy.harm = 'none';
  return all;
}

/** Until a while passes in which every question is answered. @returns how many answers were wrong on the way, and whether it came. */
async function recover(database: Database): Promise<{ wrong: number; good: boolean }> {
  let wrong = 0;
  const good = await until(async () => {
    const count = await askFor(300, database);
    wrong += count.wrong;
    return count.failed === 0 && count.right > 0;
  });
  return { wrong, good };
}

t.test('bits that flip on an encrypted wire never make an answer', async (t) => {
  const { database, proxy } = await setUp(t, { tls: true });
  t.ok((await recover(database)).good);
  const count = await askGarbled(database, proxy, 5);
  t.ok(proxy.harmed > 5 && count.failed > 0, `${proxy.harmed} times, ${JSON.stringify(count)}`);
  t.equal(count.wrong, 0);
  t.same(count.ours, [], 'each error says that the database is away, and none that the fault is ours');
  t.same(await recover(database), { wrong: 0, good: true }, 'good again by itself');
});

t.test('in the clear, what cannot be read ends a connection and not the process', async (t) => {
  const { database, proxy } = await setUp(t, { tls: false });
  t.ok((await recover(database)).good);
  const count = await askGarbled(database, proxy, 10);
  t.ok(proxy.harmed > 10 && count.failed > 0, `${proxy.harmed} times, ${JSON.stringify(count)}`);
  // What was garbled last may be an answer still.
  await askFor(1000, database);
  t.same(await recover(database), { wrong: 0, good: true }, 'good again by itself');
});

t.test('connections that nobody answers on any more are given up, all of them with the first', async (t) => {
  const { database, proxy } = await setUp(t, { tls: false });
  t.ok((await recover(database)).good);
  t.ok((database.pool?.().total ?? 0) > 1, 'several are open');
  proxy.swallow();
  await t.rejects(ask(database));
  t.match(database.pool?.(), { total: 0 }, 'the first that heard nothing took them all with it');
  const twenty = (): Promise<boolean> =>
    Promise.all(Array.from({ length: 20 }, () => ask(database))).then(
      (answers) => answers.every(Boolean),
      () => false,
    );
  t.ok(await until(twenty), 'and new ones are answered');
});

t.test(
  'after a failover, connections to a server that only reads are given up, all of them with the first',
  async (t) => {
    const cluster = await startPostgres();
    t.teardown(() => cluster.remove());
    const superuser = new pg.Client({ connectionString: cluster.url });
    await superuser.connect();
    await superuser.query('create table t (n int)');
    const database = connectPostgres({ url: cluster.url, connectTimeoutMs: PATIENCE_MS });
    t.teardown(() => database.close());
    const atOnce = (statement: string) =>
      Promise.allSettled(Array.from({ length: 6 }, () => sql.raw(statement).execute(database.db)));
    // A session keeps what it began with, as one to a demoted server does.
    await superuser.query('alter database postgres set default_transaction_read_only = on');
    await atOnce('select 1');
    t.match(database.pool?.(), { total: 6, idle: 6 });
    await superuser.query('alter database postgres reset default_transaction_read_only');
    await superuser.end();
    await t.rejects(sql`insert into t values (1)`.execute(database.db), { code: '25006' });
    const written = await atOnce('insert into t values (1)');
    t.same(
      written.map(({ status }) => status),
      Array.from({ length: 6 }, () => 'fulfilled'),
      'they are new, to the server that writes',
    );
  },
);

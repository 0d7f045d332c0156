// The clusters that fault tests use: durable, and able to die, hang, come back and leave nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import t from 'tap';
import { connectPostgres, type Database } from '../../src/db/connect.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

t.test('a cluster hangs, dies and comes back with what was committed', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const open = (queryTimeoutMs: number): Database => {
    const opened = connectPostgres({ url: cluster.url, queryTimeoutMs, connectTimeoutMs: queryTimeoutMs });
    t.teardown(() => opened.close());
    return opened;
  };
  const [database, hasty] = [open(10_000), open(300)];
  const asked = () =>
    sql`select 1`.execute(hasty.db).then(
      () => true,
      () => false,
    );
  t.same((await sql`show fsync`.execute(database.db)).rows, [{ fsync: 'on' }]);
  await sql`create table mark as select 7 as n`.execute(database.db);
  t.ok(await until(asked));

  cluster.pause();
  await t.rejects(sql`select 1`.execute(hasty.db), /timeout/i, 'it hangs, and the query has a deadline');
  cluster.resume();
  t.same((await sql`select n from mark`.execute(database.db)).rows, [{ n: 7 }]);

  await cluster.kill();
  await t.rejects(sql`select 1`.execute(database.db), 'it is gone');
  await cluster.start();
  t.same((await sql`select n from mark`.execute(database.db)).rows, [{ n: 7 }], 'recovered');

  await cluster.stop();
  await t.rejects(sql`select 1`.execute(database.db));
  await cluster.start();
  t.same((await sql`select n from mark`.execute(database.db)).rows, [{ n: 7 }]);
});

t.test('it goes with the process that made it, even where that one is killed while the cluster hangs', async (t) => {
  const script = `
    import { startPostgres } from ${JSON.stringify(join(import.meta.dirname, '../support/postgres.ts'))};
    const cluster = await startPostgres();
    cluster.pause();
    console.log(cluster.dir);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const dir = line.trim();
  t.ok(existsSync(dir));
  child.kill('SIGKILL');
  t.ok(await until(() => !existsSync(dir)), 'its folder is removed once its last process has ended');
});

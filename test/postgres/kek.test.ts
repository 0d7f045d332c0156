// The key-encryption key is rotated under load, on three replicas of which two are killed in the midst: nobody notices.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { createChecker } from '../soak/invariants.ts';
import { startLoad } from '../soak/load.ts';
import { createRandom } from '../soak/random.ts';
import { createReplica, type Replica } from '../soak/replica.ts';
import { openSoakWorld } from '../soak/world.ts';
import { testDatabaseUrl } from '../support/databases.ts';
import { writeKek } from '../support/process.ts';
import { call } from '../support/service.ts';

t.test('rotated under load, with kills', async (t) => {
  const databaseUrl = (await testDatabaseUrl(t)) as string;
  const [old, next] = [writeKek(t), writeKek(t)];
  const env = { KEY_ENCRYPTION_KEY_FILE: old, KEY_ENCRYPTION_KEYS: next };
  const world = await openSoakWorld(t, { databaseUrl, replicas: 3, env });
  const [first, second, third] = world.replicas as [Replica, Replica, Replica];
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${await world.hostToken()}`, 'idempotency-key': randomUUID() };
    const answer = await call(third.direct, method, path, body, { ...headers, 'countersign-reason': 'yearly' });
    t.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.status < 300 ? '' : answer.body.detail}`);
    return answer.body;
  };
  // More than one batch, so that there is a midst.
  for (let index = 0; index < 64; index += 1)
    await Promise.all(
      Array.from({ length: 2 }, () =>
        ask('POST', '/v1/connections', {
          ...{ name: 'Another', aws: { account_id: '111122223333', permission_set: 'read-only' } },
        }),
      ),
    );
  const checker = createChecker(databaseUrl);
  t.teardown(() => checker.close());
  const load = startLoad(world, createRandom(7), { workers: 3, pauseMs: 60 });
  const owner = new pg.Client(databaseUrl);
  await owner.connect();
  t.teardown(() => owner.end());
  // The last one that is moved waits for this: the midst lasts until the kills are done.
  await owner.query('begin');
  await owner.query('select from private_keys where kid = (select max(kid) from private_keys) for update');
  const { rotation, changed } = await ask('POST', '/v1/kek/rotate', {});
  t.ok(changed);
  const total = rotation.remaining as number;
  const until = async (what: string, done: (state: { remaining: number; finished_at?: string }) => boolean) => {
    for (const end = performance.now() + 60_000; ; ) {
      const state = (await ask('GET', '/v1/kek')).rotation;
      if (done(state)) return;
      if (performance.now() > end) throw new Error(`not ${what}: ${JSON.stringify(state)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await until('in the midst', ({ remaining }) => remaining < total);
  await Promise.all([first.kill(), second.kill()]);
  const left = (await ask('GET', '/v1/kek')).rotation.remaining as number;
  t.ok(left > 0, `killed with ${left} of ${total} to go`);
  await owner.query('rollback');
  // A dead worker's lease runs out by itself; nobody waits for it here.
  await owner.query('update kek_rotations set worker_until = now()');
  for (const replica of [first, second]) replica.start();
  await until('finished', ({ finished_at: at }) => at !== undefined);
  await Promise.all([first, second].map((replica) => replica.untilReady(60_000)));
  // Without the old key now, one after the other: the others serve meanwhile.
  const without = await createReplica(t, {
    ...{ ISSUER_URL: world.issuerUrl, DATABASE_URL: databaseUrl, STS_ENDPOINT_URL: world.sandbox.url },
    KEY_ENCRYPTION_KEY_FILE: next,
  });
  without.start();
  await without.untilReady(60_000);
  t.equal((await call(without.direct, 'GET', '/readyz?capability=broker')).status, 200);
  await load.stop();
  t.same(load.ledger.faults, [], 'nobody was refused');
  t.ok(load.ledger.tokens.length > 20 && load.ledger.sessions.length > 10, 'under load');
  t.same(await checker.settle(load.ledger), []);
  const { rows } = await owner.query('select kek, count(*)::int as count from private_keys group by kek');
  t.equal(rows.length, 1, 'every private half is under one key');
  const kinds = (await owner.query("select kind from audit where kind like 'kek.%' order by at")).rows;
  t.same(
    kinds.map(({ kind }) => kind),
    ['kek.chosen', 'kek.rotation_started', 'kek.rotation_finished'],
  );
  t.comment(`${load.ledger.tokens.length} tokens, ${load.ledger.sessions.length} sessions, ${total} private halves`);
});

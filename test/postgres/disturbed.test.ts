// PostgreSQL that hangs and crashes, and wires that cut, delay, garble and swallow, under load: nothing answered is unrecorded.
import t from 'tap';
import { disturb, openDisturbedWorld } from '../soak/disturb.ts';
import { createChecker } from '../soak/invariants.ts';
import { startLoad } from '../soak/load.ts';
import { createRandom } from '../soak/random.ts';
import { startPostgres } from '../support/postgres.ts';

t.test('each fault under load: the invariants hold, and every replica is back by itself', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const random = createRandom(20_261_128);
  const { world, disturbances } = await openDisturbedWorld(t, cluster, random, 2);
  const checker = createChecker(cluster.url);
  t.teardown(() => checker.close());
  const load = startLoad(world, random, { workers: 4, pauseMs: 60 });
  const { ledger } = load;
  for (const disturbance of disturbances) {
    const before = ledger.tokens.length;
    const took = await disturb(world, load, checker, random, disturbance);
    for (const until = Date.now() + 60_000; ledger.tokens.length === before && Date.now() < until; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    t.ok(ledger.tokens.length > before, `${disturbance.name}: served again, ready after ${Math.round(took)} ms`);
  }
  await load.stop();
  t.same(ledger.faults, [], 'during the faults');
  t.same(await checker.settle(ledger), [], 'afterwards');
  t.ok((ledger.garbled ?? 0) > 0, 'clients read and wrote garbage');
  t.ok(ledger.unavailable > 0 && ledger.sessions.length > 10 && ledger.acts.length > 10, 'under load');
  t.comment(
    `${disturbances.length} faults, ${ledger.tokens.length} tokens, ${ledger.sessions.length} sessions, ` +
      `${ledger.acts.length} acts, ${ledger.suspensions} suspensions, ${ledger.refusedSuspended} refused by them, ` +
      `${ledger.unavailable} times 503, ${ledger.excused ?? 0} refused by STS, ${ledger.cut} cut, ${ledger.garbled ?? 0} garbled, ${checker.rows()} rows`,
  );
});

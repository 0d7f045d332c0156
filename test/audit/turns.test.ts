// Who waits for a turn: a quarter of the places for one caller, so that others, and the service itself, have theirs.
import t from 'tap';
import { type Actor, createAct, SYSTEM } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { createTurns } from '../../src/audit/turns.ts';
import { openTestDatabase } from '../support/databases.ts';
import { steppedClock } from '../support/keys.ts';

const TOO_MANY = {
  ...{ code: 'unavailable', message: /25 changes of this caller/ },
  options: { retryAfter: 1, hint: /fewer at once/ },
};

function refusedOf(answers: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
}

t.test('one caller has a quarter of the places, and another has his', async (t) => {
  const turns = createTurns(steppedClock());
  const hung = Promise.withResolvers<void>();
  const ask = (whose: string, count: number) =>
    Array.from({ length: count }, () => turns.takeSoon(() => hung.promise, whose));
  const all = [ask('wl_busy', 30), ask('ad_calm', 30)].map((asked) => Promise.allSettled(asked));
  hung.resolve();
  for (const answers of await Promise.all(all)) {
    t.same(refusedOf(answers.slice(0, 25)), []);
    const more = refusedOf(answers.slice(25));
    t.equal(more.length, 5);
    for (const reason of more) t.match(reason, TOO_MANY);
  }
  const again = await Promise.allSettled(ask('wl_busy', 25));
  t.same(refusedOf(again), [], 'a place is free again when its turn is over');
});

t.test('acts are counted by who acts, and those of the service itself are not held back', async (t) => {
  const database = await openTestDatabase(t);
  const clock = steppedClock();
  await ensurePartitions(database.db, new Date(clock.wall()));
  const act = createAct(createAuditStream({ database, clock }));
  const hung = Promise.withResolvers<void>();
  const ask = (actor: Actor) =>
    act(actor, async () => {
      await hung.promise;
      return { result: actor.id, records: [], affectsDecisions: false };
    });
  const caller = (id: string, jti = 'any') => ask({ id, jti, confirm: async () => {} });
  const callers = [
    ...[...Array.from({ length: 26 }, () => 'wl_busy'), 'ad_calm'].map((id) => caller(id)),
    // Each command on the host has a token of its own.
    ...Array.from({ length: 20 }, () => caller('host', 'a script')),
    ...Array.from({ length: 10 }, () => caller('host', 'a person')),
  ];
  // Each with a reason of its own, as the service has them.
  const own = Array.from({ length: 30 }, (_, index) => ask({ ...SYSTEM, reason: `the ${index}th` }));
  const all = Promise.allSettled([...callers, ...own]);
  hung.resolve();
  const answers = await all;
  t.match(refusedOf(answers.slice(25, 26)), [TOO_MANY], 'one more than a quarter');
  t.same(refusedOf(answers.toSpliced(25, 1)), [], 'and nobody else');
});

// How often a process shows canaries: a few at once, apart, and none while STS throttles.
import t from 'tap';
import { createPace } from '../../../src/connections/canary/pace.ts';

/** Sleepers wake as the clock is stepped. */
function steppedSleep() {
  let now = 0;
  let sleepers: { at: number; wake(): void }[] = [];
  return {
    clock: { monotonic: () => now },
    sleep: (ms: number) => new Promise<void>((wake) => sleepers.push({ at: now + ms, wake })),
    step: async (ms: number) => {
      for (let left = ms; left > 0; left -= 10) {
        now += 10;
        const due = sleepers.filter(({ at }) => at <= now);
        sleepers = sleepers.filter(({ at }) => at > now);
        for (const { wake } of due) wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

t.test(
  'a hundred thousand rotations at once: four looks at a time, ten a second, and nobody waits for long',
  async (t) => {
    const { clock, sleep, step } = steppedSleep();
    const pace = createPace({ clock, sleep });
    const began: number[] = [];
    let [running, most] = [0, 0];
    const results = Array.from({ length: 300 }, () =>
      pace.run(async () => {
        began.push(clock.monotonic());
        most = Math.max(most, (running += 1));
        await sleep(200);
        running -= 1;
        return true;
      }),
    );
    await step(20_000);
    const done = await Promise.all(results);
    t.equal(most <= 4, true, `${most} at once`);
    t.ok(began.length >= 35 && began.length <= 55, `${began.length} in the five seconds that anybody waits`);
    t.ok(
      began.every((at, index) => index === 0 || at - (began[index - 1] as number) >= 100),
      'apart',
    );
    t.equal(done.filter((result) => result === undefined).length, 300 - began.length, 'the others were told to go on');
    const later = pace.run(async () => 'later');
    await step(200);
    t.equal(await later, 'later', 'every place was given back');
  },
);

t.test('while STS throttles nobody looks, those in the line included', async (t) => {
  const { clock, sleep, step } = steppedSleep();
  const pace = createPace({ clock, sleep, atOnce: 1 });
  const first = pace.run(async () => {
    await sleep(500);
    pace.rest();
    return 'throttled';
  });
  const second = pace.run(async () => 'asked');
  await step(1000);
  t.same([await first, await second], ['throttled', undefined]);
  t.equal(await pace.run(async () => 'asked'), undefined);
  await step(30_000);
  const after = pace.run(async () => 'asked');
  await step(200);
  t.equal(await after, 'asked');
});

t.test('a look that fails gives its place back', async (t) => {
  const { clock, sleep, step } = steppedSleep();
  const pace = createPace({ clock, sleep, atOnce: 1 });
  await t.rejects(
    pace.run(async () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  const next = pace.run(async () => 'yes');
  await step(200);
  t.equal(await next, 'yes');
});

// What may happen in a ring's life, each step followed by signatures, fetches and a look at every promise.
import fc from 'fast-check';
import { Problem } from '../../src/errors.ts';
import { changePolicy } from '../../src/keys/change-policy.ts';
import { hold, resume } from '../../src/keys/hold.ts';
import { DEFAULT_POLICY, type KeyPolicy, obeyedPolicy, seasoning } from '../../src/keys/policy.ts';
import { listPolicyVersions } from '../../src/keys/policies.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { rotateDueRings } from '../../src/keys/queue.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { deleteDuePrivateKeys } from '../../src/keys/store.ts';
import { publishedKeys } from '../../src/keys/timeline.ts';
import { Crashed } from './crashes.ts';
import { type LifeReplica, type LifeWorld, SYSTEM } from './world.ts';

type Command = fc.AsyncCommand<object, LifeWorld>;

const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A refusal is an answer, and a crash is one of those that were asked for. */
async function attempt(
  replica: LifeReplica,
  crashAfter: number | undefined,
  work: () => Promise<unknown>,
): Promise<boolean> {
  replica.crashes.after = crashAfter;
  try {
    await work();
    return true;
  } catch (error) {
    const chain = [error, (error as Error).cause];
    if (chain.some((each) => each instanceof Crashed)) replica.crashes.counted += 1;
    if (chain.some((each) => each instanceof Crashed || each instanceof Problem)) return false;
    throw error;
  } finally {
    replica.crashes.after = undefined;
  }
}

function command(text: string, run: (world: LifeWorld) => Promise<unknown>): Command {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world);
      await world.observe();
    },
    toString: () => text,
  };
}

/** As the service does by itself, every few seconds. */
async function rotateWhatIsDue(world: LifeWorld, replica: LifeReplica, after?: number): Promise<void> {
  await attempt(replica, after, async () => {
    world.tally.rotations += await rotateDueRings(replica.deps);
  });
  replica.signer.forget();
  await deleteDuePrivateKeys(world.db, world.clock.database());
}

const replicaOf = (world: LifeWorld, index: number): LifeReplica => world.replicas[index] as LifeReplica;
const index = fc.nat({ max: 2 });
/** Of the statements of an act, before one; mostly none. */
const crash = fc.option(fc.nat({ max: 12 }), { freq: 2, nil: undefined });
const told = (after: number | undefined): string =>
  after === undefined ? '' : `, which ends after ${after} statements`;

/** The edges of the policy, and a second beside them. */
const passing = fc
  .tuple(
    fc.constantFrom(
      'R',
      'e',
      'T + S',
      'A',
      'D',
      'A + D + e',
      'an hour',
      'a day',
      'a week',
      'the period',
      'the period',
      'the period',
      'the period',
    ),
    fc.constantFrom(-1, 0, 1),
    fc.subarray([0, 1, 2], { minLength: 1 }),
  )
  .map(([name, beside, refreshed]) =>
    command(
      `${name}${beside === 0 ? '' : ` ${beside > 0 ? '+' : '-'} 1 s`} passes, and replicas ${refreshed.join()} look`,
      async (world) => {
        const policy = obeyedPolicy(await listPolicyVersions(world.db));
        const span: Record<string, number> = {
          ...{ R: policy.oldestSigned, e: policy.clockError, 'T + S': 1200 * SECOND, A: policy.verifierCache },
          ...{
            D: policy.oldestServed,
            'A + D + e': seasoning(policy),
            'an hour': HOUR,
            'a day': DAY,
            'a week': 7 * DAY,
          },
          'the period': policy.period,
        };
        const ms = Math.max(SECOND, (span[name] as number) + beside * SECOND);
        world.clock.step(ms);
        world.tally.days += ms / DAY;
        for (const each of refreshed) if (!replicaOf(world, each).late) await replicaOf(world, each).view.refresh();
        await rotateWhatIsDue(world, replicaOf(world, refreshed[0] as number));
      },
    ),
  );

const lookAll = async ({ replicas }: LifeWorld): Promise<void> => {
  for (const replica of replicas) if (!replica.late) await replica.view.refresh();
};

/** Of tokens that the key before signed: until they have expired. */
async function waitOut(world: LifeWorld): Promise<void> {
  world.clock.step(1200 * SECOND - 1);
  await lookAll(world);
  await world.observe();
}

/** Nothing but the clock, and what replicas do by themselves: months to years, looked at in each period. */
const quiet = fc.tuple(fc.integer({ min: 4, max: 16 }), index).map(([periods, which]) =>
  command(`${periods} periods pass, and nobody does anything`, async (world) => {
    for (let passed = 0; passed < periods; passed += 1) {
      const { period } = obeyedPolicy(await listPolicyVersions(world.db));
      world.clock.step(period);
      world.tally.days += period / DAY;
      await lookAll(world);
      if (passed === 0) await world.observe();
      await rotateWhatIsDue(world, replicaOf(world, (which + passed) % 3));
      if (passed === 0) await waitOut(world);
      else if (passed < periods - 1) await world.observe();
    }
  }),
);

const refreshing = index.map((which) =>
  command(`replica ${which} looks`, async (world) => {
    const replica = replicaOf(world, which);
    if (!replica.late) await replica.view.refresh();
  }),
);

/** Its read is sent, or the answer of the one before arrives. */
const late = index.map((which) =>
  command(`replica ${which} waits for an answer, or has it`, async (world) => {
    const replica = replicaOf(world, which);
    if (replica.late) {
      replica.late.arrive();
      await replica.late.done;
      replica.late = undefined;
      return;
    }
    const sent = { arrive: () => {}, done: Promise.resolve() };
    replica.late = sent;
    replica.holdBack = true;
    sent.done = replica.view.refresh();
    while (replica.holdBack) await new Promise((resolve) => setImmediate(resolve));
  }),
);

const due = fc.tuple(index, crash).map(([which, after]) =>
  command(`replica ${which} rotates what is due${told(after)}`, async (world) => {
    await rotateWhatIsDue(world, replicaOf(world, which), after);
  }),
);

const now = fc.tuple(index, crash).map(([which, after]) =>
  command(`replica ${which} rotates now${told(after)}`, async (world) => {
    const replica = replicaOf(world, which);
    if (await attempt(replica, after, () => rotateNow(replica.deps, world.ringId, SYSTEM))) world.tally.rotations += 1;
  }),
);

const together = fc.constant(
  command('all three rotate at once', async (world) => {
    const done = await Promise.all(
      world.replicas.map((replica) => attempt(replica, undefined, () => rotateNow(replica.deps, world.ringId, SYSTEM))),
    );
    world.tally.rotations += done.filter(Boolean).length;
  }),
);

const revoking = fc.tuple(index, fc.nat(), fc.boolean(), crash).map(([which, pick, acceptOutage, after]) =>
  command(
    `replica ${which} revokes key ${pick}${acceptOutage ? ' with accept_outage' : ''}${told(after)}`,
    async (world) => {
      const replica = replicaOf(world, which);
      const at = world.clock.database();
      const keys = publishedKeys((await world.ring()).keys, at);
      const { kid } = keys[pick % keys.length] as { kid: string };
      await attempt(replica, after, () => revoke(replica.deps, { ring: world.ringId, kid, acceptOutage }, SYSTEM));
      // Whatever the caller heard: what is committed counts.
      const { keys: after_ } = await world.ring();
      if (after_.find((key) => key.kid === kid)?.revokedAt === undefined) return;
      world.revoked.set(kid, at);
      world.tally.revocations += 1;
      const policy = obeyedPolicy(await listPolicyVersions(world.db));
      const successor = after_.find((key) => key.signsFrom === at && !key.bornWithRing && key.revokedAt === undefined);
      if (acceptOutage && successor && successor.publishedAt + seasoning(policy) > at)
        world.outages.set(successor.kid, successor.publishedAt + seasoning(policy));
    },
  ),
);

const holding = fc.tuple(index, fc.constantFrom(HOUR, DAY, 40 * DAY), fc.boolean()).map(([which, duration, resumes]) =>
  command(resumes ? `replica ${which} resumes` : `replica ${which} holds for ${duration / HOUR} h`, async (world) => {
    const { deps } = replicaOf(world, which);
    if (resumes) await resume(deps, world.ringId, SYSTEM);
    else await hold(deps, world.ringId, { duration }, SYSTEM);
    world.tally.holds += 1;
  }),
);

const jumping = fc.tuple(index, fc.constantFrom(-7200, -3, -1, 0, 1, 3, 7200)).map(([which, seconds]) =>
  command(`the clock of replica ${which} is ${seconds} s ahead`, async (world) => {
    replicaOf(world, which).ahead = seconds * SECOND;
  }),
);

const POLICIES: Partial<KeyPolicy>[] = [
  {},
  { verifierCache: 5 * 60 * SECOND },
  { verifierCache: 2 * DAY },
  { oldestServed: HOUR },
  { oldestServed: 5 * DAY },
  { oldestSigned: 5 * SECOND },
  { oldestSigned: HOUR },
  { clockError: 5 * SECOND },
  { verifierCache: 60 * SECOND, oldestServed: 60 * SECOND, clockError: SECOND, period: HOUR },
];

const changing = fc.nat({ max: POLICIES.length - 1 }).map((which) =>
  command(`the policy becomes ${JSON.stringify(POLICIES[which])}`, async (world) => {
    const { deps } = replicaOf(world, which % 3);
    const policy = { ...DEFAULT_POLICY, ...POLICIES[which] };
    const replaces = (await listPolicyVersions(world.db)).length;
    // Refused where the period is too short for values of before that still count.
    if (
      await attempt(replicaOf(world, which % 3), undefined, () =>
        changePolicy(deps, { policy, replaces, dryRun: false }, SYSTEM),
      )
    )
      world.tally.policies += 1;
  }),
);

export const COMMANDS = [
  ...[quiet, passing, passing, passing, passing, passing, refreshing, refreshing, late, late],
  ...[due, due, due, now, now, together, revoking, holding, jumping, changing],
];

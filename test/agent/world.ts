// What tests of the agent stand on: time that passes by steps, sleepers included, and a service that answers as a test says.
import { setImmediate as turn } from 'node:timers/promises';
import { Refusal } from '../../src/agent/refusal.ts';
import {
  type AskService,
  createSessions,
  type Credentials,
  type Sessions,
  type Wanted,
} from '../../src/agent/sessions.ts';
import type { Clock } from '../../src/clock.ts';

export const [SECOND, MINUTE] = [1000, 60_000];

interface Sleeper {
  until: number;
  wake(): void;
}

export interface Time {
  clock: Clock;
  sleep(ms: number, ended: AbortSignal): Promise<void>;
  /** Lets so much time pass, and whoever sleeps no longer go on. */
  step(ms: number): Promise<void>;
  /** Lets what is ready go on. */
  settle(): Promise<void>;
}

export function createTime(): Time {
  let now = 1_800_000_000_000;
  const sleepers = new Set<Sleeper>();
  const settle = async (): Promise<void> => {
    for (let index = 0; index < 5; index++) await turn();
  };
  return {
    clock: { wall: () => now, monotonic: () => now - 1_799_999_000_000 },
    sleep: (ms, ended) =>
      new Promise((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper);
          resolve();
        };
        const sleeper: Sleeper = { until: now + ms, wake };
        sleepers.add(sleeper);
        ended.addEventListener('abort', sleeper.wake);
      }),
    settle,
    step: async (ms) => {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = [...sleepers].toSorted((a, b) => a.until - b.until)[0];
        if (!next || next.until > end) break;
        now = Math.max(now, next.until);
        next.wake();
      }
      now = end;
      await settle();
    },
  };
}

export interface World extends Time {
  sessions: Sessions;
  /** What the service was asked, in turn. */
  asked: Wanted[];
  /** What it answers from now on; a session of an hour unless set. */
  answer: AskService;
  lines: string[];
  /** Who asks, from now on. */
  who: string;
}

export function createWorld({ holdMs = 120_000 } = {}): World {
  const time = createTime();
  let nth = 0;
  const world: World = {
    ...time,
    asked: [],
    lines: [],
    who: 'billing',
    answer: async () => session(time.clock, 3600, `K${++nth}`),
    sessions: undefined as unknown as Sessions,
  };
  const say = (members: object, text: string): void => void world.lines.push(`${text} ${JSON.stringify(members)}`);
  world.sessions = createSessions({
    ...{ clock: time.clock, sleep: time.sleep, random: () => 0.5, holdMs, log: { info: say, warn: say } },
    who: () => world.who,
    ask: async (wanted) => {
      world.asked.push(wanted);
      return await world.answer(wanted);
    },
  });
  return world;
}

export function session(clock: Clock, seconds: number, name = 'K'): Credentials {
  const Expiration = `${new Date(clock.wall() + seconds * 1000).toISOString().slice(0, 19)}Z`;
  const role = { AccountId: '111122223333', RoleArn: 'arn:aws:iam::111122223333:role/r' };
  return { AccessKeyId: name, SecretAccessKey: 'a-secret-key', Token: 'a-session-token', Expiration, ...role };
}

export const away: AskService = () => Promise.reject(new Refusal('unreachable', 'The service cannot be reached.'));

export const refuses =
  (status: number, code: string, retryAfter?: number): AskService =>
  () =>
    Promise.reject(new Refusal(code, `It said ${code}.`, { status, retryAfter, requestId: 'rq_1' }));

/** Looks every second, as the agent does, and asks where a test says. */
export async function pass(world: World, ms: number): Promise<void> {
  for (let past = 0; past < ms; past += SECOND) {
    await world.step(SECOND);
    world.sessions.look();
  }
  await world.settle();
}

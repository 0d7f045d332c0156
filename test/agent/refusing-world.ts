// What the rows of docs/refusals.md are made of: the service and the account, and a pace that can be stopped.
import type { IAMClient } from '@aws-sdk/client-iam';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Fault } from '../../src/sandbox/faults.ts';
import type { Granted } from '../support/agent.ts';
import type { TestConnection } from '../support/connect-account.ts';
import type { Forge } from '../support/forge.ts';

/** What a client is told: where to ask, and what to show. */
export interface Asked {
  connection: string;
  query?: string;
  token?: string | undefined;
  /** Takes away what would be in the way of the next row. */
  over?(): Promise<unknown>;
}

/** Small, so that few requests use them up; the rows before ask less often. */
export const RATES = { RATE_LIMIT_PER_CLIENT: '150', RATE_LIMIT_FAILURES_PER_ADDRESS: '25' };

/** Time as rates count it, which can be made to stand still. */
export interface Pace extends Pick<Clock, 'monotonic'> {
  stop(): void;
  goOn(): Promise<void>;
}

export function createPace(): Pace {
  let still: number | undefined;
  return {
    monotonic: () => still ?? systemClock.monotonic(),
    stop: () => void (still = systemClock.monotonic()),
    goOn: async () => void (still = undefined),
  };
}

export interface World extends Granted {
  t: Test;
  token: string;
  forge: Forge;
  connect(body?: object): Promise<TestConnection & { account: string }>;
  register(): Promise<string>;
  iam(account: string): IAMClient;
  pace: Pace;
}

export type Make = (world: World) => Promise<Asked>;

export async function made(answer: Promise<{ status: number; body: { id: string } }>): Promise<string> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(JSON.stringify(body));
  return body.id;
}

export const faulty =
  (fault: Omit<Fault, 'accountId'>): Make =>
  async (world) => {
    const { id, account } = await world.connect();
    world.sandbox.faults.add({ ...fault, action: 'AssumeRoleWithWebIdentity', accountId: account });
    return { connection: id };
  };

export const answers = (status: number, code?: string): Make =>
  faulty({ kind: 'error', status, ...(code ? { code } : {}) });

// What tests of the broker's parts stand on: a clock that is stepped, decisions, and sessions as STS answers them.
import type { Clock } from '../../src/clock.ts';
import type { AssumeRoleInput, AssumedSession } from '../../src/clouds/aws.ts';
import type { Authorized } from '../../src/credentials/authorize.ts';
import type { Obtained } from '../../src/credentials/sessions.ts';
import type { Decision } from '../../src/grants/decide.ts';

export const id = (kind: string, letter = 'a'): string => `${kind}_${letter.repeat(26)}`;
export const MINUTE = 60_000;

export interface SteppedClock extends Clock {
  step(ms: number): void;
}

export function createSteppedClock(): SteppedClock {
  let now = 1_800_000_000_000;
  return { wall: () => now, monotonic: () => now - 1_799_999_000_000, step: (ms) => void (now += ms) };
}

export function decisionOf(changes: Partial<{ [Part in keyof Decision]: object | number | string }> = {}): Decision {
  const { epoch = 1, sealChangedAt, workload = {}, connection = {}, aws = {}, grant = {} } = changes;
  return {
    epoch: epoch as number,
    sealChangedAt: sealChangedAt as string | undefined,
    workload: { id: id('wl'), slug: 'billing', version: 1, ...(workload as object) },
    connection: {
      ...{ id: id('cn'), reference: 'acme', tenant: 'default', issuer: id('is'), subject: id('cn') },
      ...{ algorithm: 'ES256', generation: 1, state: 'active', max_session_seconds: 43_200 },
      ...{ source_identity: false, session_tags: false, settled: true },
      ...(connection as object),
    },
    aws: {
      ...{ account_id: '111122223333', partition: 'aws', region: 'us-east-1', role_name: 'r' },
      ...{ role_arn: 'arn:aws:iam::111122223333:role/r', role_id: 'AROAEXAMPLE' },
      ...(aws as object),
    },
    grant: {
      ...{ id: id('gr'), version: 1, purpose: 'default', max_session_seconds: 43_200 },
      ...{ session_policy: null, policy_arns: [], tags: {} },
      ...(grant as object),
    },
  };
}

export function authorizedFor(key: string, seconds = 3600, decision = decisionOf()): Authorized {
  return { decision, durationSeconds: seconds, policies: {}, narrowed: false, key };
}

/** As STS answers for the role of `decisionOf`. */
export function answerOf(input: AssumeRoleInput, clock: Clock, more: Partial<AssumedSession> = {}): AssumedSession {
  const [, , , , account, role = ''] = input.roleArn.split(':');
  return {
    ...{ accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token', requestId: 'rq-aws' },
    expiration: new Date(clock.wall() + input.durationSeconds * 1000),
    assumedRoleArn: `arn:aws:sts::${account}:assumed-role/${role.slice(5)}/${input.roleSessionName}`,
    assumedRoleId: `AROAEXAMPLE:${input.roleSessionName}`,
    ...more,
  };
}

export function obtainedOf(exchange: string, seconds: number, clock: Clock): Obtained {
  const expiration = new Date(clock.wall() + seconds * 1000);
  const session = {
    ...{ accessKeyId: exchange, secretAccessKey: 's', sessionToken: 't', requestId: 'r', expiration },
    ...{ assumedRoleArn: 'a', assumedRoleId: 'b' },
  };
  return {
    ...{ exchange, session, seconds, expiresAt: expiration.getTime(), askedAt: clock.monotonic() },
    recorded: Promise.resolve(),
  };
}

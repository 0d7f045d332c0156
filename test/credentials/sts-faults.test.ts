// docs/sts-faults.md, cell by cell: real faults of the sandbox, the real SDK, and the broker with a clock that is stepped.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Append, AuditStream } from '../../src/audit/stream.ts';
import { createAwsSts } from '../../src/clouds/aws.ts';
import { createBroker } from '../../src/credentials/broker.ts';
import type { Suspicion } from '../../src/credentials/exchange.ts';
import { createSessions } from '../../src/credentials/sessions.ts';
import { Problem } from '../../src/errors.ts';
import type { Fault } from '../../src/sandbox/sandbox.ts';
import type { VerifiedToken } from '../../src/tokens/verify.ts';
import { ACCOUNT, createWorld, ROLE_ARN } from '../sandbox/world.ts';
import { decisionOf, id, MINUTE } from './world.ts';

const FAULTS: Record<string, Omit<Fault, 'action'> | undefined> = {
  none: undefined,
  'answers after 300 ms': { kind: 'latency', latencyMs: 300 },
  'answers later than our deadline': { kind: 'latency', latencyMs: 4000 },
  throttles: { kind: 'throttle' },
  'answers 500': { kind: 'error', status: 500 },
  'answers 503': { kind: 'error', status: 503 },
  'cannot read the issuer': { kind: 'error', status: 400, code: 'IDPCommunicationError' },
  'resets the connection': { kind: 'reset' },
  'sends half of an answer': { kind: 'half' },
  'sends megabytes': { kind: 'oversize' },
  'denies access': { kind: 'error', status: 403, code: 'AccessDenied' },
  'finds the policy too large': { kind: 'error', status: 400, code: 'PackedPolicyTooLarge' },
  'answers for another account': { kind: 'other_account' },
  'answers for another role id': { kind: 'other_role' },
  'clock a day ahead': { kind: 'clock', offsetSeconds: 86_400 },
  'clock an hour behind': { kind: 'clock', offsetSeconds: -3600 },
};
const REASONS: Record<string, string> = {
  'answers for another account': 'AccountMismatch',
  'answers for another role id': 'role_recreated',
  'clock a day ahead': 'ExpiryMismatch',
  'clock an hour behind': 'ExpiryMismatch',
};
const TIMEOUT_MS = 3000;

const page = readFileSync(join(import.meta.dirname, '../../docs/sts-faults.md'), 'utf8');
const rows = [...page.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$/gm)]
  .map(([, ...cells]) => cells as [string, string, string, string])
  .filter(([fault]) => fault !== 'fault' && fault !== '---');

const token = { subject: id('wl'), audience: 'x', scopes: [], jti: 'j' } as unknown as VerifiedToken;

async function openFaultyWorld(t: Test) {
  const world = await createWorld(t);
  const started = world.clock.now;
  const clock = { wall: () => world.clock.now, monotonic: () => world.clock.now - started + 1000 };
  const sts = createAwsSts({ endpointUrl: world.sandbox.url, timeoutMs: TIMEOUT_MS });
  t.teardown(() => sts.close());
  const records: Append[] = [];
  const suspicions: Suspicion[] = [];
  const stream = { append: async (append: Append) => void records.push(append) } as unknown as AuditStream;
  const first = await world.assume();
  const [roleId] = first.AssumedRoleUser?.AssumedRoleId?.split(':') ?? [];
  const obtain = createBroker({
    ...{ issuerUrl: world.issuer.url, stream, sts, clock, sessions: createSessions({ clock }) },
    count: { exchange: () => {}, handout: () => {} },
    suspect: async (suspicion) => void suspicions.push(suspicion),
    decide: async () =>
      decisionOf({
        connection: { subject: 'cn_test' },
        aws: { account_id: ACCOUNT, role_name: 'countersign', role_arn: ROLE_ARN, role_id: roleId },
      }),
    mintWebIdentityToken: async () => ({ token: await world.token(), kid: 'k', jti: 'j', expiresAt: new Date() }),
  });
  const ask = (seconds: number) =>
    obtain(token, { connection: 'acme', purpose: 'default', requestId: 'rq', durationSeconds: seconds });
  return { ...world, records, suspicions, ask };
}

/** A cell's words for what happened, `before` being the session at hand. */
async function hear(asked: Promise<{ exchange: string }>, before: string | undefined): Promise<string> {
  try {
    return (await asked).exchange === before ? 'kept' : 'new';
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { status, code, options } = error;
    return `${status} ${code}${status === 503 && options.retryAfter === undefined ? ' without Retry-After' : ''}`;
  }
}

t.test('the table has a row for each fault', async (t) => {
  t.same(
    rows.map(([fault]) => fault),
    Object.keys(FAULTS),
  );
});

t.test('each fault, cold, kept and near the end', { jobs: 4 }, async (t) => {
  for (const [name, cold, kept, nearEnd] of rows) {
    void t.test(name, async (t) => {
      const { sandbox, clock, ask, records, suspicions } = await openFaultyWorld(t);
      // The role trusts for an hour: sessions of other lengths are other sessions.
      const held = await ask(3600);
      const fault = FAULTS[name];
      if (fault) sandbox.faults.add({ ...fault, action: 'AssumeRoleWithWebIdentity' });
      t.equal(await hear(ask(3600), held.exchange), kept, 'kept');
      const before = records.length;
      t.equal(await hear(ask(1800), undefined), cold, 'cold');
      const outcome = records.slice(before).find(({ entry }) => entry?.kind === 'exchange.outcome')?.entry?.details;
      const reason = REASONS[name];
      const wanted = cold === 'new' ? 'obtained' : reason ? 'dropped' : 'refused';
      t.match(outcome, { outcome: wanted, ...(reason ? { code: reason } : {}) }, 'on record');
      t.same(
        suspicions.map((suspicion) => suspicion.reason),
        reason ? [reason] : [],
        'the connection',
      );
      clock.now += 45 * MINUTE;
      t.equal(await hear(ask(3600), held.exchange), nearEnd, 'near its end');
      sandbox.faults.clear();
      clock.now += 10_000;
      const after = records.length;
      t.equal(await hear(ask(1800), undefined), 'new', 'and well again');
      t.same(
        records.slice(after).map(({ entry }) => entry?.kind),
        ['exchange.intent', 'exchange.outcome', 'credentials.handed_out'],
      );
    });
  }
});

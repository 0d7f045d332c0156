// docs/sts-faults.md, cell by cell: real faults of the sandbox, the real SDK, and the broker with a clock that is stepped.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Append, AuditStream } from '../../src/audit/stream.ts';
import { createAwsSts } from '../../src/clouds/aws.ts';
import { createBroker } from '../../src/credentials/broker.ts';
import type { Suspicion } from '../../src/connections/verification/suspect.ts';
import { createSessions } from '../../src/credentials/sessions.ts';
import { Problem } from '../../src/errors.ts';
import type { Fault } from '../../src/sandbox/sandbox.ts';
import type { VerifiedToken } from '../../src/tokens/verify.ts';
import { ACCOUNT, createWorld, ROLE_ARN } from '../sandbox/world.ts';
import { decisionOf, id, MINUTE } from './world.ts';

interface Row {
  fault?: Omit<Fault, 'action'>;
  /** Of a lie: what the connection is degraded with. */
  reason?: string;
  /** The connection is in its first minute. */
  settling?: boolean;
  /** Our deadline, milliseconds: short where it is what the row is about. */
  timeoutMs?: number;
}

const ROWS: Record<string, Row> = {
  none: {},
  'answers after 300 ms': { fault: { kind: 'latency', latencyMs: 300 } },
  'answers later than our deadline': { fault: { kind: 'latency', latencyMs: 7000 }, timeoutMs: 6000 },
  throttles: { fault: { kind: 'throttle' } },
  'answers 500': { fault: { kind: 'error', status: 500 } },
  'answers 503': { fault: { kind: 'error', status: 503 } },
  'cannot read the issuer': { fault: { kind: 'error', status: 400, code: 'IDPCommunicationError' } },
  'resets the connection': { fault: { kind: 'reset' } },
  'sends half of an answer': { fault: { kind: 'half' } },
  "denies access in the connection's first minute": {
    fault: { kind: 'error', status: 403, code: 'AccessDenied' },
    settling: true,
  },
  'denies access': { fault: { kind: 'error', status: 403, code: 'AccessDenied' } },
  'finds the policy too large': { fault: { kind: 'error', status: 400, code: 'PackedPolicyTooLarge' } },
  'answers for another account': { fault: { kind: 'other_account' }, reason: 'AccountMismatch' },
  'answers for another session': { fault: { kind: 'other_session' }, reason: 'RoleMismatch' },
  'answers for another role id': { fault: { kind: 'other_role' }, reason: 'role_recreated' },
  'clock a day ahead': { fault: { kind: 'clock', offsetSeconds: 86_400 }, reason: 'ExpiryMismatch' },
  'clock an hour behind': { fault: { kind: 'clock', offsetSeconds: -3600 }, reason: 'ExpiryMismatch' },
  'sends a token of 64 kB': { fault: { kind: 'large_token' }, reason: 'AnswerTooLarge' },
  'sends megabytes': { fault: { kind: 'oversize' }, reason: 'AnswerTooLarge' },
};

const page = readFileSync(join(import.meta.dirname, '../../docs/sts-faults.md'), 'utf8');
const table = [...page.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$/gm)]
  .map(([, ...cells]) => cells as [string, string, string, string, string, string])
  .filter(([fault]) => fault !== 'fault' && fault !== '---');

const token = { subject: id('wl'), audience: 'x', scopes: [], jti: 'j' } as unknown as VerifiedToken;

async function openFaultyWorld(t: Test, { settling = false, timeoutMs = 30_000 }: Row) {
  const world = await createWorld(t);
  const started = world.clock.now;
  const clock = { wall: () => world.clock.now, monotonic: () => world.clock.now - started + 1000 };
  const sts = createAwsSts({ endpointUrl: world.sandbox.url, timeoutMs });
  t.teardown(() => sts.close());
  const records: Append[] = [];
  const suspicions: Suspicion[] = [];
  let asked = 0;
  const stream = { append: async (append: Append) => void records.push(append) } as unknown as AuditStream;
  const first = await world.assume();
  const [roleId] = first.AssumedRoleUser?.AssumedRoleId?.split(':') ?? [];
  // Longer than the slow answer takes on a busy machine, shorter than the deadline.
  const sessions = createSessions({ clock, patienceMs: timeoutMs - 500 });
  const obtain = createBroker({
    ...{ issuerUrl: world.issuer.url, stream, clock, sessions, catchUp: async () => {} },
    sts: {
      assumeRoleWithWebIdentity: (input) => {
        asked += 1;
        return sts.assumeRoleWithWebIdentity(input);
      },
    },
    count: { exchange: () => {}, handout: () => {} },
    suspect: async (suspicion) => void suspicions.push(suspicion),
    decide: async ({ purpose }) =>
      decisionOf({
        connection: { subject: 'cn_test', settled: !settling },
        aws: { account_id: ACCOUNT, role_name: 'countersign', role_arn: ROLE_ARN, role_id: roleId },
        grant: { purpose },
      }),
    draftWebIdentityToken: async () => ({ kid: 'k', jti: 'j', expiresAt: new Date(), sign: () => world.token() }),
  });
  /** Each purpose has a session of its own. */
  const ask = (purpose: string, durationSeconds?: number) =>
    obtain(token, { connection: 'acme', purpose, durationSeconds, requestId: 'rq' });
  return { ...world, sessions, records, suspicions, ask, asked: () => asked };
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
    table.map(([fault]) => fault),
    Object.keys(ROWS),
  );
});

t.test('each fault: cold, once it is over, past half, for the next, and near the end', { jobs: 4 }, async (t) => {
  for (const [name, cold, over, pastHalf, next, nearEnd] of table) {
    void t.test(name, async (t) => {
      const row = ROWS[name] as Row;
      const { fault, reason } = row;
      const { sandbox, clock, sessions, ask, asked, records, suspicions } = await openFaultyWorld(t, row);
      const begins = () => fault && sandbox.faults.add({ ...fault, action: 'AssumeRoleWithWebIdentity' });
      const started = clock.now;
      const [half, late] = [await ask('half'), await ask('late')];

      begins();
      const before = records.length;
      const good = asked();
      t.equal(await hear(ask('cold'), undefined), cold, 'cold');
      const outcome = records.slice(before).find(({ entry }) => entry?.kind === 'exchange.outcome')?.entry;
      const wanted = cold === 'new' ? 'obtained' : reason ? 'dropped' : 'refused';
      t.match(outcome?.details, { outcome: wanted, ...(reason ? { code: reason } : {}) }, 'on record');
      sandbox.faults.clear();
      const toldCold = asked() - good;
      const fetched = outcome?.exchange;
      t.equal(await hear(ask('cold'), fetched), over, 'in the moment in which it is over');
      clock.now += 10_000;
      const after = records.length;
      if (over !== 'kept' && over !== 'new') {
        t.equal(await hear(ask('cold'), undefined), 'new', 'and ten seconds later');
        const kinds = records.slice(after).map(({ entry }) => entry?.kind);
        t.same(kinds, ['exchange.intent', 'exchange.outcome', 'credentials.handed_out']);
      }

      begins();
      clock.now = started + 31 * MINUTE;
      const calls = asked();
      t.equal(await hear(ask('half'), half.exchange), pastHalf, 'past half of its life');
      await sessions.settled();
      t.equal(asked(), calls + 1, 'STS was asked for its successor');
      t.equal(await hear(ask('half'), half.exchange), next, 'for the next');
      clock.now = started + 45 * MINUTE;
      const soFar = asked();
      t.equal(await hear(ask('late'), late.exchange), nearEnd, 'near its end');
      await sessions.settled();
      t.equal(asked(), soFar + 1, 'STS was asked for its successor, too');
      const told = toldCold + asked() - calls;
      const reasons = suspicions.map((suspicion) => suspicion.reason);
      t.same(reasons, reason ? Array(told).fill(reason) : [], 'the connection, by each lie');
    });
  }
});

t.test("AWS's clock behind ours: the shortest session is given again all the same", async (t) => {
  for (const [offsetSeconds, again] of [
    [-120, 70],
    [-290, 55],
    [120, 80],
  ] as const) {
    const { sandbox, clock, ask, asked } = await openFaultyWorld(t, {});
    sandbox.faults.add({ kind: 'clock', offsetSeconds, action: 'AssumeRoleWithWebIdentity' });
    const { exchange, session } = await ask('short', 900);
    t.equal(Math.ceil((session.expiration.getTime() - clock.now) / 1000), 900 + offsetSeconds);
    clock.now += again * 1000;
    t.equal((await ask('short', 900)).exchange, exchange, `${offsetSeconds} s, ${again} s later`);
    t.equal(asked(), 1, 'one call of STS');
    clock.now += 20_000;
    t.not((await ask('short', 900)).exchange, exchange, 'a tenth of what it lives, and no longer');
  }
});

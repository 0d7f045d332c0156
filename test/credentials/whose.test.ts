// Over random worlds: no session reaches a caller other than one that was authorised, at that moment, for exactly it.
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { type Append, EpochChanged, type AuditStream } from '../../src/audit/stream.ts';
import { StsError } from '../../src/clouds/aws-errors.ts';
import { createBroker, type Handout } from '../../src/credentials/broker.ts';
import { roleSessionName } from '../../src/credentials/exchange.ts';
import { createSessions } from '../../src/credentials/sessions.ts';
import { Problem } from '../../src/errors.ts';
import { composeSessionPolicies } from '../../src/grants/session-policy.ts';
import type { VerifiedToken } from '../../src/tokens/verify.ts';
import { answerOf, createSteppedClock, decisionOf, id } from './world.ts';

const LETTERS = ['a', 'b'] as const;
const ACCOUNTS = { a: '111111111111', b: '222222222222' };

const DENY = (what: string) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Action: `${what}:*`, Resource: '*' }],
});
const POLICIES = [undefined, DENY('s3'), DENY('ec2')];

/** What a session is, as STS was asked for it: written into its token. */
interface Session {
  workload: string;
  roleArn: string;
  seconds: number;
  policy: string | undefined;
  arns: readonly string[] | undefined;
  /** Of the grant, by its tags. */
  version: string;
}

/** Workloads and connections by letter, all granted, with everything about them that changes. */
function createWorldOf() {
  const clock = createSteppedClock();
  const state = {
    epoch: 1,
    suspended: new Set<string>(),
    versions: new Map<string, number>(),
    generations: new Map<string, number>(),
    down: false,
  };
  const rows: Append[] = [];
  const stream = {
    append: async (append: Append) => {
      await turn();
      if (append.epoch !== undefined && append.epoch !== state.epoch) throw new EpochChanged();
      rows.push(append);
    },
  } as AuditStream;
  const decisionFor = (workload: string, connection: string, purpose: string) => {
    if (state.suspended.has(workload)) throw new Problem('workload_suspended', 'suspended');
    const version = state.versions.get(workload + purpose) ?? 1;
    const account = ACCOUNTS[connection.at(-1) as 'a' | 'b'];
    return decisionOf({
      epoch: state.epoch,
      workload: { id: workload, slug: 'w' },
      connection: { id: connection, generation: state.generations.get(connection) ?? 1, session_tags: true },
      aws: { account_id: account, role_arn: `arn:aws:iam::${account}:role/r` },
      grant: { purpose, version, policy_arns: [`arn:aws:iam::aws:policy/${purpose}`], tags: { version: `${version}` } },
    });
  };
  let exchanges = 0;
  const sessions = createSessions({ clock, perConnection: 1e6, patienceMs: 1 });
  const obtain = createBroker({
    ...{ issuerUrl: 'https://id.example.com', stream, sessions, clock, catchUp: async () => {} },
    count: { exchange: () => {}, handout: () => {} },
    suspect: async () => {},
    decide: async ({ workload, connection, purpose }) => {
      await turn();
      return decisionFor(workload, connection, purpose);
    },
    draftWebIdentityToken: async ({ tags }) => ({
      sign: async () => tags?.['version'] ?? '',
      kid: 'k',
      jti: 'j',
      expiresAt: new Date(),
    }),
    sts: {
      assumeRoleWithWebIdentity: async (input) => {
        exchanges += 1;
        await turn();
        if (state.down) throw new StsError({ side: 'transient', awsCode: 'Unreachable', awsMessage: '' });
        const { roleArn, durationSeconds: seconds, policy, policyArns: arns, roleSessionName: name } = input;
        return answerOf(input, clock, {
          accessKeyId: `ASIA${exchanges}`,
          sessionToken: JSON.stringify({ workload: name, roleArn, seconds, policy, arns, version: input.token }),
        });
      },
    },
  });
  return { clock, state, rows, sessions, obtain };
}

interface Given {
  handout: Handout;
  rows: readonly Append[];
  requestId: string;
  who: string;
  connection: string;
  purpose: string;
  seconds: number | undefined;
  policy: object | undefined;
  now: number;
}

/** Its row says under which grant it was decided last; its token, what STS was asked for. @throws Error where they differ */
function checkHandout({ handout, rows, requestId, who, connection, purpose, seconds, policy, now }: Given): void {
  const row = rows.find(
    ({ entry }) => entry?.kind === 'credentials.handed_out' && entry.details?.['request_id'] === requestId,
  )?.entry;
  if (row?.workload !== who || row.exchange !== handout.exchange) throw new Error('no row of its own');
  const policy_arns = [`arn:aws:iam::aws:policy/${purpose}`];
  const composed = composeSessionPolicies({ session_policy: null, policy_arns }, policy);
  const expected: Session = {
    workload: roleSessionName({ id: who, slug: 'w' }),
    roleArn: `arn:aws:iam::${ACCOUNTS[connection as 'a' | 'b']}:role/r`,
    seconds: seconds ?? 3600,
    policy: composed.policy,
    arns: composed.policyArns,
    version: String(row.details?.['grant_version']),
  };
  if (JSON.stringify(expected) !== handout.session.sessionToken)
    throw new Error(`${handout.session.sessionToken} for ${JSON.stringify(expected)}`);
  if (handout.session.expiration.getTime() <= now) throw new Error('over');
}

const arbitraryAsk = fc.record({
  workload: fc.constantFrom(...LETTERS),
  connection: fc.constantFrom(...LETTERS),
  purpose: fc.constantFrom('default', 'deploy'),
  seconds: fc.constantFrom(undefined, 900, 3600),
  policy: fc.constantFrom(...POLICIES),
});
const arbitraryStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(arbitraryAsk, { minLength: 1, maxLength: 6 })
      .chain((asks) => fc.integer({ min: 0, max: 6 }).map((turns) => ({ asks, turns }))),
  },
  { weight: 1, arbitrary: fc.constantFrom(...LETTERS).map((suspend) => ({ suspend })) },
  { weight: 1, arbitrary: fc.constantFrom(...LETTERS).map((regrant) => ({ regrant })) },
  { weight: 1, arbitrary: fc.constantFrom(...LETTERS).map((change) => ({ change })) },
  { weight: 1, arbitrary: fc.boolean().map((down) => ({ down })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3000 }).map((seconds) => ({ seconds })) },
);

t.test('no session reaches a caller that was not authorised for exactly it', async (t) => {
  const seen = { given: 0, shared: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryStep, { minLength: 3, maxLength: 25 }), async (steps) => {
      const { clock, state, rows, sessions, obtain } = createWorldOf();
      const change = (by: () => void): void => {
        by();
        state.epoch += 1;
      };
      let number = 0;
      const pending: Promise<void>[] = [];
      for (const step of steps) {
        if ('asks' in step) {
          for (const { workload, connection, purpose, seconds, policy } of step.asks) {
            const [who, what] = [id('wl', workload), id('cn', connection)];
            const requestId = `rq${(number += 1)}`;
            const token = { subject: who, audience: 'x', scopes: [], jti: requestId } as unknown as VerifiedToken;
            const asked = obtain(token, {
              ...{ connection: what, purpose, requestId },
              ...{ durationSeconds: seconds, sessionPolicy: policy },
            });
            const judged = asked.then(
              (handout) => {
                seen.given += 1;
                checkHandout({
                  handout,
                  rows,
                  requestId,
                  who,
                  connection,
                  purpose,
                  seconds,
                  policy,
                  now: clock.wall(),
                });
              },
              (error: unknown) => {
                if (!(error instanceof Problem)) throw error;
              },
            );
            pending.push(judged);
          }
          // The next step overtakes what was asked, at any point of its way.
          for (let turns = 0; turns < step.turns; turns += 1) await turn();
        } else if ('suspend' in step) {
          const who = id('wl', step.suspend);
          change(() => void (state.suspended.delete(who) || state.suspended.add(who)));
          if (state.suspended.has(who)) {
            const before = rows.length;
            await Promise.all(pending);
            const after = rows.slice(before).filter(({ entry }) => entry?.kind === 'credentials.handed_out');
            if (after.some(({ entry }) => entry?.workload === who)) throw new Error('handed out after the suspension');
          }
        } else if ('regrant' in step) {
          const who = id('wl', step.regrant);
          change(() => {
            for (const purpose of ['default', 'deploy'])
              state.versions.set(who + purpose, (state.versions.get(who + purpose) ?? 1) + 1);
          });
        } else if ('change' in step) {
          const what = id('cn', step.change);
          change(() => void state.generations.set(what, (state.generations.get(what) ?? 1) + 1));
        } else if ('down' in step) state.down = step.down;
        else {
          await Promise.all(pending);
          clock.step(step.seconds * 1000);
          sessions.sweep({ epoch: state.epoch, seal: undefined, sealChangedAt: undefined });
        }
      }
      await Promise.all(pending);
      await sessions.settled();
      const handouts = rows.flatMap(({ entry }) => (entry?.kind === 'credentials.handed_out' ? [entry.exchange] : []));
      seen.shared += handouts.length - new Set(handouts).size;
    }),
    { numRuns: 300, seed: 20_261_127 },
  );
  t.ok(seen.given > 1000 && seen.shared > 300, `${seen.given} given, ${seen.shared} more than were fetched`);
});

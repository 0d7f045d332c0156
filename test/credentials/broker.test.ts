// The broker between its parts: what it decides again, records first and drops, with STS and the decision at hand.
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { ensurePartitions } from '../../src/audit/store.ts';
import { type Append, createAuditStream } from '../../src/audit/stream.ts';
import { systemClock } from '../../src/clock.ts';
import type { AssumeRoleInput } from '../../src/clouds/aws.ts';
import { createBroker } from '../../src/credentials/broker.ts';
import { roleSessionName } from '../../src/credentials/exchange.ts';
import { createSessions } from '../../src/credentials/sessions.ts';
import { Problem, unavailable } from '../../src/errors.ts';
import type { Decision } from '../../src/grants/decide.ts';
import type { WebIdentity } from '../../src/tokens/mint.ts';
import type { VerifiedToken } from '../../src/tokens/verify.ts';
import { openTestDatabase } from '../support/databases.ts';
import { readEpoch } from '../support/epoch.ts';

const id = (kind: string): string => `${kind}_${'a'.repeat(26)}`;
const token: VerifiedToken = {
  subject: id('wl'),
  audience: 'x',
  scopes: [],
  jti: 'j',
  kid: 'k',
  expiresAt: 0,
};
const ask = { connection: 'acme', purpose: 'default', requestId: 'rq' };

function decision(epoch: number, changes: { version?: number; grant?: string; generation?: number } = {}): Decision {
  const { version = 1, grant = id('gr'), generation = 1 } = changes;
  return {
    ...{ epoch, sealChangedAt: undefined, workload: { id: id('wl'), slug: 'billing', version: 1 } },
    connection: {
      ...{
        id: id('cn'),
        reference: 'acme',
        tenant: 'default',
        issuer: id('is'),
        subject: id('cn'),
        algorithm: 'ES256',
        generation,
      },
      ...{ state: 'active', max_session_seconds: 3600, source_identity: true, session_tags: true, settled: true },
    },
    aws: {
      account_id: '1',
      partition: 'aws',
      region: 'us-east-1',
      role_name: 'r',
      role_arn: 'arn:aws:iam::1:role/r',
      role_id: null,
    },
    grant: {
      id: grant,
      version,
      purpose: 'default',
      max_session_seconds: 1800,
      session_policy: null,
      policy_arns: [],
      tags: { team: 'x' },
    },
  };
}

interface Bench {
  /** The epoch as the database has it. */
  bump(): Promise<void>;
  asked: AssumeRoleInput[];
  minted: WebIdentity[];
  /** Why each time. */
  suspected: string[];
  records(): Promise<{ kind: string; outcome?: string; code?: string }[]>;
}

/** @param decide called for each decision, with its number from 1 and the epoch that stands */
async function openBench(
  t: Test,
  decide: (nth: number, epoch: number) => Promise<Decision> | Decision,
  duringSts: (bench: Bench) => Promise<void> = async () => {},
  refuse: (append: Append) => Error | undefined = () => undefined,
  sign: () => Promise<string> = async () => 'web-identity',
) {
  const database = await openTestDatabase(t);
  await ensurePartitions(database.db, new Date());
  const batches: number[] = [];
  const count = { batch: (rows: number) => void batches.push(rows) };
  const stream = createAuditStream({ database, clock: systemClock, deadlineMs: 30_000, count });
  t.teardown(() => stream.close());
  const bench: Bench = {
    bump: async () => void (await sql`update policy_epoch set epoch = epoch + 1`.execute(database.db)),
    asked: [],
    minted: [],
    suspected: [],
    records: async () => {
      const rows = await database.db
        .selectFrom('audit')
        .select('row')
        .where('kind', 'in', ['exchange.intent', 'exchange.outcome', 'credentials.handed_out'])
        .orderBy('seq')
        .execute();
      return rows
        .map(({ row }) => JSON.parse(row))
        .map(({ kind, details: { outcome, code } }) => ({
          kind,
          ...(outcome ? { outcome } : {}),
          ...(code ? { code } : {}),
        }));
    },
  };
  const sessions = createSessions({ clock: systemClock });
  let decisions = 0;
  const counted: string[] = [];
  const obtain = createBroker({
    ...{ issuerUrl: 'https://id.example.com', clock: systemClock, catchUp: async () => {} },
    stream: {
      ...stream,
      append: async (append) => {
        const error = refuse(append);
        if (error) throw error;
        await stream.append(append);
      },
    },
    sessions,
    suspect: async ({ reason }) => void bench.suspected.push(reason),
    count: { exchange: (outcome) => void counted.push(outcome), handout: (outcome) => void counted.push(outcome) },
    decide: async () => {
      decisions += 1;
      return await decide(decisions, await readEpoch(database));
    },
    draftWebIdentityToken: async (input) => {
      bench.minted.push(input);
      return { kid: 'kid', jti: 'jti', expiresAt: new Date(), sign };
    },
    sts: {
      assumeRoleWithWebIdentity: async (input) => {
        bench.asked.push(input);
        await duringSts(bench);
        return {
          accessKeyId: 'ASIA',
          secretAccessKey: 's',
          sessionToken: 't',
          expiration: new Date(Date.now() + input.durationSeconds * 1000),
          assumedRoleArn: `arn:aws:sts::1:assumed-role/r/${input.roleSessionName}`,
          assumedRoleId: `AROA:${input.roleSessionName}`,
          requestId: 'r',
        };
      },
    },
  });
  return { ...bench, obtain, counted, batches, sessions, decisions: () => decisions };
}

const HANDED_OUT = [
  { kind: 'exchange.intent' },
  { kind: 'exchange.outcome', outcome: 'obtained' },
  { kind: 'credentials.handed_out' },
];

t.test('one hand-out: an intent, STS, an outcome, and the hand-out itself', async (t) => {
  const bench = await openBench(t, (_nth, epoch) => decision(epoch));
  t.match(await bench.obtain(token, ask), { session: { accessKeyId: 'ASIA' }, accountId: '1' });
  t.same(await bench.records(), HANDED_OUT);
  t.match(bench.asked, [
    {
      roleSessionName: 'billing-aaaaaaaa',
      durationSeconds: 1800,
      token: 'web-identity',
      roleArn: 'arn:aws:iam::1:role/r',
    },
  ]);
  t.match(bench.minted, [{ subject: id('cn'), issuer: id('is'), tags: { team: 'x' }, sourceIdentity: /^ex_/ }]);
  t.equal(roleSessionName({ id: id('wl'), slug: 'billing' }), 'billing-aaaaaaaa', 'by the workload alone, and stable');
});

t.test('a hand-out shares the commit of the outcome, and is not given before it', async (t) => {
  const bench = await openBench(t, (_nth, epoch) => decision(epoch));
  await bench.obtain(token, ask);
  t.same(bench.batches, [1, 2], 'the intent; the outcome and the hand-out');
  const isOutcome = ({ entry }: Append) => entry?.kind === 'exchange.outcome';
  const without = await openBench(
    t,
    (_nth, epoch) => decision(epoch),
    async () => {},
    (append) => (isOutcome(append) ? unavailable('The audit record could not be written.') : undefined),
  );
  await t.rejects(without.obtain(token, ask), { code: 'unavailable' });
  t.same(without.counted, ['ok', 'unrecorded']);
  await t.rejects(without.obtain(token, ask), { code: 'unavailable' });
  t.equal(without.asked.length, 2, 'nor is it kept');
});

t.test('a token that cannot be signed is on record as refused by ours, and STS is not asked', async (t) => {
  const sign = () => Promise.reject(unavailable('The private half of the signing key does not open.'));
  const of = (refuse: (append: Append) => Error | undefined) =>
    openBench(t, (_nth, epoch) => decision(epoch), undefined, refuse, sign);
  const bench = await of(() => undefined);
  await t.rejects(bench.obtain(token, ask), { code: 'unavailable', message: /does not open/ });
  t.same(await bench.records(), [
    { kind: 'exchange.intent' },
    { kind: 'exchange.outcome', outcome: 'refused', code: 'unavailable' },
  ]);
  t.same(bench.asked, []);
  const unrecorded = await of(({ entry }) => (entry?.kind === 'exchange.intent' ? unavailable('away') : undefined));
  await t.rejects(unrecorded.obtain(token, ask), { code: 'unavailable', message: 'away' });
  t.same([await unrecorded.records(), unrecorded.asked], [[], []]);
});

t.test('a decision that the service is sealed empties the memory', async (t) => {
  let sealed = false;
  const bench = await openBench(t, (_nth, epoch) => {
    if (sealed) throw new Problem('sealed', 'sealed');
    return decision(epoch);
  });
  await bench.obtain(token, ask);
  t.equal(bench.sessions.size, 1);
  sealed = true;
  await t.rejects(bench.obtain(token, ask), { code: 'sealed' });
  t.equal(bench.sessions.size, 0);
});

t.test('a lie of STS is told whether its row can be written or not', async (t) => {
  for (const away of [false, true]) {
    const bench = await openBench(
      t,
      (_nth, epoch) => {
        const decided = decision(epoch);
        return { ...decided, aws: { ...decided.aws, role_id: 'AROAPINNED' } };
      },
      async () => {},
      ({ entry }) => (away && entry?.kind === 'exchange.outcome' ? unavailable('away') : undefined),
    );
    await t.rejects(bench.obtain(token, ask), { code: away ? 'unavailable' : 'sts_answer_refused' });
    t.same(bench.suspected, ['role_recreated']);
  }
});

t.test('an intent decided under another epoch is decided again before STS is asked', async (t) => {
  const bench = await openBench(t, (nth, epoch) => decision(nth === 1 ? epoch - 1 : epoch));
  t.ok(await bench.obtain(token, ask));
  t.equal(bench.decisions(), 2);
  t.same(
    (await bench.records()).map(({ kind }) => kind),
    ['exchange.intent', 'exchange.outcome', 'credentials.handed_out'],
    'the one that did not stand is no row',
  );
});

t.test('what was suspended between the decision and its record gets nothing, and STS is not asked', async (t) => {
  const bench = await openBench(t, (nth, epoch) => {
    if (nth > 1) throw new Problem('workload_suspended', 'suspended');
    return decision(epoch - 1);
  });
  await t.rejects(bench.obtain(token, ask), { code: 'workload_suspended' });
  t.same(bench.asked, []);
  t.same(await bench.records(), []);
});

t.test('an epoch that never stands is given up after three decisions', async (t) => {
  const bench = await openBench(t, (_nth, epoch) => decision(epoch - 1));
  await t.rejects(bench.obtain(token, ask), { code: 'unavailable' });
  t.equal(bench.decisions(), 3);
  t.same(bench.asked, []);
});

t.test('what changed while STS was asked is decided again, and dropped where it no longer stands', async (t) => {
  const changes: [string, (nth: number, epoch: number) => Decision, string | undefined][] = [
    ['nothing that matters', (_nth, epoch) => decision(epoch), undefined],
    ['the limits of the grant', (nth, epoch) => decision(epoch, { version: nth }), 'unavailable'],
    [
      'another grant applies',
      (nth, epoch) => decision(epoch, { grant: nth === 1 ? id('gr') : `gr_${'b'.repeat(26)}` }),
      'unavailable',
    ],
    ['the connection', (nth, epoch) => decision(epoch, { generation: nth }), 'unavailable'],
    [
      'a suspension',
      (nth, epoch) => {
        if (nth > 1) throw new Problem('workload_suspended', 'suspended');
        return decision(epoch);
      },
      'workload_suspended',
    ],
  ];
  for (const [name, decide, code] of changes) {
    await t.test(name, async (t) => {
      const bench = await openBench(t, decide, (each) => each.bump());
      if (code === undefined) t.ok(await bench.obtain(token, ask));
      else await t.rejects(bench.obtain(token, ask), { code });
      t.equal(bench.decisions(), code ? 2 : 3, 'once for the outcome, and once for the hand-out');
      const dropped = [{ kind: 'exchange.intent' }, { kind: 'exchange.outcome', outcome: 'dropped', code }];
      t.same(await bench.records(), code ? dropped : HANDED_OUT);
      t.same(bench.counted, ['ok', code ? 'dropped' : 'given']);
    });
  }
});

t.test('a token for one connection is for no other, however the other is named', async (t) => {
  const bench = await openBench(t, (_nth, epoch) => decision(epoch));
  await t.rejects(bench.obtain(token, { ...ask, onlyConnection: `cn_${'b'.repeat(26)}` }), { code: 'invalid_token' });
  t.same(
    [bench.minted, bench.asked, await bench.records()],
    [[], [], []],
    'no token, no record of an exchange, no STS',
  );
  t.ok(await bench.obtain(token, { ...ask, onlyConnection: id('cn') }));
});

t.test('limits are refused before anything is minted', async (t) => {
  const bench = await openBench(t, (_nth, epoch) => decision(epoch));
  const allow = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
  await t.rejects(
    bench.obtain(token, { ...ask, durationSeconds: 1801 }),
    { code: 'duration_exceeds_limit' },
    "the grant's",
  );
  await t.rejects(bench.obtain(token, { ...ask, durationSeconds: 899 }), { code: 'duration_out_of_range' });
  await t.rejects(bench.obtain(token, { ...ask, sessionPolicy: allow }), { code: 'session_policy_not_deny' });
  t.same([bench.minted, bench.asked], [[], []]);
});

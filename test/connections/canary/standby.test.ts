// A connection's standby at the real sandbox before it signs: taken, refused, and everything that says nothing about it.
import t, { type Test } from 'tap';
import { SYSTEM } from '../../../src/audit/act.ts';
import type { AssumeRoleInput } from '../../../src/clouds/aws.ts';
import { StsError, type StsSide, toStsError } from '../../../src/clouds/aws-errors.ts';
import { type Problem, unavailable } from '../../../src/errors.ts';
import { PROOF_KEPT } from '../../../src/keys/canaries.ts';
import { resume } from '../../../src/keys/hold.ts';
import { LOOPBACK_POLICY, seasoning } from '../../../src/keys/policy.ts';
import { countProofs, listKeyProofs } from '../../../src/keys/proofs.ts';
import { revoke } from '../../../src/keys/revoke.ts';
import { rotateDue, rotateNow } from '../../../src/keys/rotate.ts';
import { listDueRings } from '../../../src/keys/store.ts';
import type { Fault } from '../../../src/sandbox/sandbox.ts';
import { type CanaryOptions, type CanaryWorld, openCanaryWorld } from './world.ts';

const SEASONING = seasoning(LOOPBACK_POLICY);
const LONG = 365 * 86_400;
const person = { ...SYSTEM, id: 'ad_alice', reason: 'a drill' };

/** What the check says of the standby as it is. */
async function check(world: CanaryWorld): Promise<Problem | undefined> {
  const ring = await world.ring();
  const kid = await world.standby();
  const standby = ring.keys.find((key) => key.kid === kid);
  if (!standby) throw new Error('no standby');
  return await world.rotation.checks[0]?.(ring, standby);
}

/** A world whose STS keeps the JWKS that it has: the next standby is one that it does not know. */
async function openStale(t: Test, options: CanaryOptions = {}): Promise<CanaryWorld> {
  const world = await openCanaryWorld(t, { jwksCacheSeconds: LONG, ...options });
  await rotateNow(world.rotation, world.ringId, SYSTEM);
  await world.step(SEASONING);
  world.calls();
  return world;
}

t.test('a standby signs once STS took a canary of it, which is on record before it is shown', async (t) => {
  const world = await openCanaryWorld(t);
  const [active, standby] = [await world.active(), await world.standby()];
  const { kid } = await rotateNow(world.rotation, world.ringId, SYSTEM);
  t.equal(kid, standby);
  t.same(world.calls(), ['ok', 'ok'], 'the active key’s, then its own');
  const rows = await world.records('key.canary');
  t.match(
    rows.map(({ kind, connection, details }) => [kind, connection, details['kid'], details['outcome']]),
    [
      ['key.canary_intent', world.connection, active, undefined],
      ['key.canary', world.connection, active, 'accepted'],
      ['key.canary_intent', world.connection, standby, undefined],
      ['key.canary', world.connection, standby, 'accepted'],
    ],
  );
  const [, , intent, outcome] = rows;
  t.match(outcome?.details, { jti: intent?.details['jti'], about: 'standby', looked_at: standby, request_id: /\S/ });
  t.match(await world.records('key.standby_'), [{ kind: 'key.standby_accepted', details: { kid: standby } }]);
  t.match((await listKeyProofs(world.database.db, [standby])).get(standby), { about: 'standby', outcome: 'accepted' });
  t.match(world.sandbox.calls.at(-1), { outcome: 'ok' });
});

t.test('STS is asked once of each standby, and again after a day', async (t) => {
  const world = await openCanaryWorld(t);
  t.equal(await check(world), undefined);
  t.same(world.calls(), ['ok', 'ok']);
  await world.step(PROOF_KEPT - 1);
  t.equal(await check(world), undefined);
  t.same(world.calls(), [], 'it is remembered');
  await world.step(1);
  t.equal(await check(world), undefined);
  t.same(world.calls(), ['ok', 'ok']);
});

t.test(
  'a standby that STS refuses while it takes the active key: the ring is held, and nobody is refused',
  async (t) => {
    const world = await openStale(t);
    const { db } = world.database;
    const [active, standby] = [await world.active(), await world.standby()];
    const problem = { code: 'standby_refused_by_sts', options: { hint: /Nobody is refused/ } };
    await t.rejects(rotateNow(world.rotation, world.ringId, SYSTEM), problem);
    t.same(world.calls(), ['ok', 'InvalidIdentityToken', 'ok'], 'its canary between two of the active key’s');
    await t.rejects(rotateNow(world.rotation, world.ringId, SYSTEM), problem);
    t.same(world.calls(), [], 'no sooner than a minute later');
    t.match(await countProofs(db), { refused: 0 }, 'one host of many is no verdict');

    await world.step(59_999);
    t.equal((await check(world))?.code, 'standby_refused_by_sts');
    t.same(world.calls(), []);
    await world.step(1);
    t.equal((await check(world))?.code, 'standby_refused_by_sts');
    await world.step(60_000);
    const third = (await check(world)) as Problem;
    t.same(world.calls(), ['ok', 'InvalidIdentityToken', 'ok', 'ok', 'InvalidIdentityToken', 'ok']);
    const { signsFrom = 0 } = (await world.ring()).keys.find(({ kid }) => kid === active) ?? {};
    const iso = (ms: number) => new Date(ms).toISOString();
    t.match(third, {
      code: 'standby_refused_by_sts',
      message: /held until/,
      options: {
        hint: new RegExp(`countersign key revoke platform ${standby}; the hold ends with it`),
        extra: {
          ...{ kid: standby, aws_code: 'InvalidIdentityToken' },
          harm_begins_at: iso(signsFrom + LOOPBACK_POLICY.period),
          successor_from: iso(world.clock.database() + SEASONING),
        },
      },
    });
    await t.rejects(rotateNow(world.rotation, world.ringId, SYSTEM), { code: 'ring_held' });
    t.equal(await world.active(), active, 'the key that signed signs on');
    t.match(await countProofs(db), { refused: 1, oldestSignsFrom: signsFrom });
    t.match(world.warned.at(-1), { kid: standby, harm_begins_at: /Z$/ });
    t.match(await world.records('key.held'), [{ details: { reason: new RegExp(standby) } }]);
    t.match((await world.records('key.standby_refused')).at(-1), { details: { refusals: 3, harm_begins_at: /Z$/ } });
    t.same(await world.records('connection.'), [], 'the connection is as it was');

    // What the runbook says: another standby, and on.
    await revoke(world.rotation, { ring: world.ringId, kid: standby, acceptOutage: false }, person);
    await resume(world.rotation, world.ringId, person);
    t.match(await countProofs(db), { refused: 0 }, 'the alarm ends');
    world.sandbox.options.jwksCacheSeconds = 0;
    await world.step(SEASONING);
    t.ok(await rotateNow(world.rotation, world.ringId, person));
  },
);

t.test(
  'a hold by a refused standby ends by itself: then STS is asked again, and may have learned better',
  async (t) => {
    const world = await openStale(t);
    for (let look = 0; look < 3; look += 1) {
      await check(world);
      await world.step(60_000);
    }
    world.calls();
    await world.step(24 * 3_600_000);
    t.equal(await rotateDue(world.rotation, world.ringId, SYSTEM), undefined);
    t.same(world.calls(), ['ok', 'InvalidIdentityToken', 'ok'], 'one look, and it is held again');
    t.equal((await world.records('key.held')).length, 2);
    t.same(await listDueRings(world.database.db, world.clock.database(), 10), []);
    world.sandbox.options.jwksCacheSeconds = 0;
    await world.step(24 * 3_600_000);
    t.ok(await rotateDue(world.rotation, world.ringId, SYSTEM));
    t.match(await countProofs(world.database.db), { refused: 0 });
  },
);

/** Whatever STS says but of the key itself: the clock decides, and nobody is woken. */
t.test('any other refusal: the rotation goes on by the clock, and no ring is held', async (t) => {
  const deleted = async ({ owner }: CanaryWorld) => await owner.deleteStack('connect');
  const distrusted = async ({ owner, roleName }: CanaryWorld) => {
    const trust = await owner.trustOf(roleName);
    await owner.setTrust(roleName, { ...trust, Statement: [{ ...trust.Statement[0], Effect: 'Deny' }] });
  };
  const fault =
    (more: Partial<Fault>) =>
    async ({ sandbox }: CanaryWorld) =>
      sandbox.faults.add({ kind: 'error', action: 'AssumeRoleWithWebIdentity', ...more });
  const gone = async (world: CanaryWorld) => void (world.documents.status = 404);
  const mend = async ({ sandbox, documents }: CanaryWorld) => {
    sandbox.faults.clear();
    delete documents.status;
  };
  const world = await openCanaryWorld(t);
  const { db } = world.database;
  const cases: [string, (world: CanaryWorld) => Promise<void>, verified: number][] = [
    ['AWS cannot read the issuer', fault({ status: 400, code: 'IDPCommunicationError' }), 0],
    ['STS is ill', fault({ status: 503 }), 0],
    ['the documents are gone, for the active key too', gone, 0],
    ['STS throttles', fault({ kind: 'throttle' }), 0],
    ['the trust was changed', distrusted, 1],
    ['the stack was deleted', deleted, 2],
  ];
  for (const [name, harm, verified] of cases) {
    await harm(world);
    const standby = await world.standby();
    t.equal((await rotateNow(world.rotation, world.ringId, SYSTEM)).kid, standby, name);
    const calls = world.calls();
    t.ok(calls.length > 0 && !calls.includes('ok'), name);
    t.match((await listKeyProofs(db, [standby])).get(standby), { outcome: 'unclear', code: /\S/ }, name);
    t.equal(world.woken(), verified, `${name}: the verifier looks where it is the account owner’s to mend`);
    const pending = await db.deleteFrom('verifications').executeTakeFirst();
    t.equal(Number(pending.numDeletedRows), verified > 0 ? 1 : 0, name);
    await mend(world);
    // Past the rest that a throttled process takes.
    await world.step(30_000);
  }
  t.same(await world.records('key.held'), []);
  t.same(world.warned, []);
  t.match(await countProofs(db), { refused: 0 });
});

t.test(
  'a deletion that reached some of AWS’s hosts is not about the key, nor is a role that was made anew',
  async (t) => {
    const failure = (side: StsSide, awsCode: string, awsMessage = 'no') => new StsError({ side, awsCode, awsMessage });
    const between: StsError[] = [
      failure('account_owner', 'InvalidIdentityToken', 'No OpenIDConnect provider found in your account'),
      toStsError({
        ...{ name: 'InvalidIdentityTokenException', $metadata: { httpStatusCode: 400 } },
        message: "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
      }),
      failure('account_owner', 'AccessDenied'),
      failure('transient', 'ServiceUnavailable'),
      failure('throttled', 'Throttling'),
    ];
    const shown: AssumeRoleInput[] = [];
    const world = await openCanaryWorld(t, {
      sts: (real) => ({
        assumeRoleWithWebIdentity: async (input) => {
          shown.push(input);
          // The standby’s, between two of the active key’s that pass.
          const refusal = shown.length % 2 === 0 ? between.shift() : undefined;
          if (refusal) throw refusal;
          return await real.assumeRoleWithWebIdentity(input);
        },
      }),
    });
    while (between.length > 0) {
      t.ok(await rotateNow(world.rotation, world.ringId, SYSTEM));
      await world.step(SEASONING);
    }
    t.equal(shown.length, 10);
    for (const { roleSessionName, policy } of shown) {
      t.equal(roleSessionName, 'countersign-verify');
      t.same(JSON.parse(policy ?? '').Statement, [{ Effect: 'Deny', Action: '*', Resource: '*' }]);
    }
    t.equal(world.woken(), 1, 'the verifier was asked once, and is at it');

    const other = await openCanaryWorld(t);
    await other.database.db.updateTable('aws_connections').set({ role_id: 'AROAOTHER' }).execute();
    t.ok(await rotateNow(other.rotation, other.ringId, SYSTEM), 'STS took the key');
    t.equal(other.woken(), 1, 'what the role is, is the verifier’s to say');
  },
);

t.test('where nothing may be shown to STS, nothing is minted, and the rotation goes by the clock', async (t) => {
  const world = await openCanaryWorld(t);
  const { db } = world.database;
  await db
    .updateTable('policy_epoch')
    .set({ seal: JSON.stringify({ at: 'now', by: 'host', reason: 'x' }) } as never)
    .execute();
  t.ok(await rotateNow(world.rotation, world.ringId, SYSTEM), 'sealed: signing keys rotate');
  await db
    .updateTable('policy_epoch')
    .set({ seal: null } as never)
    .execute();
  for (const state of ['pending', 'verifying', 'paused', 'unsafe', 'disconnected'] as const) {
    await world.step(SEASONING);
    await db.updateTable('connections').set({ state }).execute();
    t.ok(await rotateNow(world.rotation, world.ringId, SYSTEM), state);
  }
  await world.step(SEASONING);
  await db.updateTable('connections').set({ state: 'degraded' }).execute();
  await db.updateTable('aws_connections').set({ role_id: null }).execute();
  t.ok(await rotateNow(world.rotation, world.ringId, SYSTEM), 'STS never let it in');
  t.same(world.calls(), []);
  t.same(await world.records('key.canary'), []);
});

t.test('no canary is shown that is not on record, or was decided before something changed', async (t) => {
  let answer: (row: unknown) => Promise<void> = async () => Promise.reject(unavailable('the audit log is full'));
  const world = await openCanaryWorld(t, { append: () => (row) => answer(row) });
  t.equal(await check(world), undefined);
  t.same(world.calls(), [], 'STS was not asked');

  const sealed = await openCanaryWorld(t, {
    append: (real) => async (row) => {
      if (row.entry.kind === 'key.canary_intent')
        await sealed.database.db
          .updateTable('policy_epoch')
          .set(
            (eb) =>
              ({ epoch: eb('epoch', '+', 1), seal: JSON.stringify({ at: 'now', by: 'host', reason: 'x' }) }) as never,
          )
          .execute();
      await real(row);
    },
  });
  t.equal(await check(sealed), undefined);
  t.same(sealed.calls(), [], 'the seal came between the decision and its record');
  t.same(await sealed.records('key.canary'), []);
  answer = async () => {};
});

t.test('a standby whose private half cannot sign does not become active', async (t) => {
  const world = await openCanaryWorld(t);
  const standby = await world.standby();
  await world.database.db.deleteFrom('private_keys').where('kid', '=', standby).execute();
  await t.rejects(rotateNow(world.rotation, world.ringId, SYSTEM), { code: 'unavailable' });
  t.same(world.calls(), ['ok']);
  t.not(await world.active(), standby);
});

t.test('workload tokens are not for STS: the platform’s ring is not shown to it', async (t) => {
  const world = await openCanaryWorld(t);
  await world.database.db.updateTable('rings').set({ purpose: 'workload_token' }).execute();
  t.equal(await check(world), undefined);
  t.same(world.calls(), []);
});

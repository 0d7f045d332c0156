// A revoked key's canaries at the real sandbox until they are refused, and what becomes of its private half.
import t, { type Test } from 'tap';
import { SYSTEM } from '../../../src/audit/act.ts';
import { StsError } from '../../../src/clouds/aws-errors.ts';
import { REFUSALS } from '../../../src/keys/canaries.ts';
import { DEFAULT_POLICY, seasoning } from '../../../src/keys/policy.ts';
import { countProofs, type KeyProof, listKeyProofs } from '../../../src/keys/proofs.ts';
import { revoke } from '../../../src/keys/revoke.ts';
import { rotateNow } from '../../../src/keys/rotate.ts';
import { deleteDuePrivateKeys } from '../../../src/keys/store.ts';
import { type CanaryOptions, type CanaryWorld, openCanaryWorld } from './world.ts';

const person = { ...SYSTEM, id: 'ad_alice', reason: 'a laptop was stolen' };
const MINUTE = 60_000;

interface Revoked extends CanaryWorld {
  kid: string;
  revokedAt: number;
  /** Whether its private half is still there. */
  kept(): Promise<boolean>;
  proof(): Promise<KeyProof | undefined>;
  /** Looks at whatever is due each few seconds, for so long. */
  wait(ms: number, stepMs?: number): Promise<void>;
}

/** The active key revoked, with a successor that STS knows, of which the audit log and the sandbox's calls begin. */
async function openRevoked(t: Test, options: CanaryOptions = {}): Promise<Revoked> {
  const world = await openCanaryWorld(t, { policy: DEFAULT_POLICY, jwksCacheSeconds: 600, ...options });
  const kid = await world.active();
  const { db } = world.database;
  const revokedAt = world.clock.database();
  await revoke(world.rotation, { ring: world.ringId, kid, acceptOutage: false }, person);
  world.calls();
  const prover = world.prover();
  return {
    ...{ ...world, kid, revokedAt },
    kept: async () => (await db.selectFrom('private_keys').select('kid').where('kid', '=', kid).execute()).length === 1,
    proof: async () => (await listKeyProofs(db, [kid])).get(kid),
    wait: async (ms, stepMs = 15_000) => {
      for (let waited = 0; waited < ms; waited += stepMs) {
        await world.step(stepMs);
        await prover.runOnce();
      }
    },
  };
}

t.test(
  'STS takes a revoked key as long as its copy of the JWKS has it, and the report says when it stopped',
  async (t) => {
    const world = await openRevoked(t);
    const { kid, revokedAt } = world;
    await world.wait(9 * MINUTE);
    t.match(await world.proof(), { about: 'revocation', outcome: 'under_way', standing: { refusals: 0 } });
    t.match(await countProofs(world.database.db), { underWay: 1 });
    const taken = world.calls();
    t.same([...new Set(taken)], ['ok'], 'the sandbox’s copy is ten minutes old at most');
    t.ok(taken.length > 8 && taken.length < 25, `${taken.length} canaries in nine minutes`);
    t.equal(await world.kept(), true);
    await world.wait(10 * MINUTE);
    const { lastAcceptedAt = 0, firstRefusedAt = 0, ...standing } = (await world.proof())?.standing ?? {};
    t.match(await world.proof(), { outcome: 'proved', looks: taken.length + REFUSALS + 1 });
    t.ok(
      lastAcceptedAt < firstRefusedAt && lastAcceptedAt > revokedAt + 8 * MINUTE,
      'a quarter of the time is how exact it is',
    );
    t.ok(firstRefusedAt >= revokedAt + 10 * MINUTE - 15_000 && firstRefusedAt < revokedAt + 14 * MINUTE);
    t.match(standing, { refusals: REFUSALS, proved: true });
    const after = world.calls();
    t.same(
      after.filter((outcome) => outcome !== 'ok'),
      Array.from({ length: REFUSALS }, () => 'InvalidIdentityToken'),
    );
    t.same(after.slice(-2), ['InvalidIdentityToken', 'ok'], 'each is followed by the active key’s, which STS takes');

    const [report, ...others] = await world.records('key.revocation_');
    t.same(others, []);
    const iso = (ms: number) => new Date(ms).toISOString();
    t.match(report, {
      kind: 'key.revocation_proved',
      details: {
        ...{ kid, revoked_at: iso(revokedAt), refusals: REFUSALS, private_half_destroyed_at: /Z$/ },
        ...{ last_accepted_at: iso(lastAcceptedAt), first_refused_at: iso(firstRefusedAt) },
      },
    });
    t.equal(await world.kept(), false, 'its private half is destroyed then, days before the latest');
    t.match(await countProofs(world.database.db), { underWay: 0 });
    await t.rejects(world.mintCanary({ issuer: 'platform', algorithm: 'ES256', subject: 'x', roleArn: 'y', kid }), {
      code: 'unavailable',
    });
    await t.rejects(world.signer.sign(kid, Buffer.from('x')), { code: 'unavailable' }, 'nor is it open in memory');
    await world.wait(MINUTE);
    t.same(world.calls(), [], 'and nothing is shown any more');
  },
);

t.test('one host that still takes it begins the count anew', async (t) => {
  let refusals = 0;
  const world = await openRevoked(t, {
    jwksCacheSeconds: 0,
    sts: (real) => ({
      assumeRoleWithWebIdentity: async (input) => {
        const kid = JSON.parse(Buffer.from(input.token.split('.')[0] as string, 'base64url').toString()).kid;
        if (kid !== world.kid) return await real.assumeRoleWithWebIdentity(input);
        refusals += 1;
        if (refusals !== REFUSALS) return await real.assumeRoleWithWebIdentity(input);
        return { assumedRoleId: 'x', requestId: 'an-old-host' } as never;
      },
    }),
  });
  await world.wait(6 * MINUTE);
  t.match(await world.proof(), { outcome: 'under_way', standing: { refusals: 0 } });
  t.equal(await world.kept(), true);
  await world.wait(10 * MINUTE);
  t.match(await world.proof(), { outcome: 'proved', standing: { refusals: REFUSALS } });
});

t.test(
  'a customer’s stack that is gone proves nothing: the private half lives as long as without a proof',
  async (t) => {
    const world = await openRevoked(t);
    await world.owner.deleteStack('connect');
    await world.wait(20 * MINUTE);
    t.match(await world.proof(), { outcome: 'under_way', standing: { refusals: 0 } });
    t.ok(world.calls().length < 30);
    const end = world.revokedAt + seasoning(DEFAULT_POLICY);
    await world.wait(end - world.clock.database() - 1, 60 * MINUTE);
    t.ok(world.calls().length < 150, 'few canaries in four days');
    await world.step(Math.max(0, end - 1 - world.clock.database()));
    t.same(await deleteDuePrivateKeys(world.database.db, Math.min(end - 1, world.clock.database())), []);
    await world.wait(30 * MINUTE);
    t.match(await world.records('key.revocation_'), [
      { kind: 'key.revocation_unproved', details: { kid: world.kid, because: 'InvalidIdentityToken' } },
    ]);
    t.match(await world.proof(), { outcome: 'unproved', code: 'InvalidIdentityToken' });
    t.same(await deleteDuePrivateKeys(world.database.db, world.clock.database()), [world.kid], 'then it is destroyed');
    world.calls();
    await world.wait(2 * 3_600_000, 3_600_000);
    t.same(world.calls(), []);
  },
);

t.test('refused for as long as the active key is refused too, it proves nothing', async (t) => {
  const world = await openRevoked(t, { jwksCacheSeconds: 0 });
  world.documents.status = 500;
  await world.wait(10 * MINUTE, MINUTE);
  t.match(await world.proof(), { outcome: 'under_way', standing: { refusals: 0, lastAcceptedAt: undefined } });
  delete world.documents.status;
  await world.wait(15 * MINUTE);
  t.match(await world.proof(), { outcome: 'proved' });
});

t.test('where a bucket or CDN is in front, its copy goes first; sealed, nothing is minted', async (t) => {
  const world = await openRevoked(t, { jwksCacheSeconds: 0 });
  let published = true;
  const asked: string[] = [];
  const prover = world.prover({
    publishedWithout: async (kid) => {
      asked.push(kid);
      return !published;
    },
  });
  const seal = (value: object | null) =>
    world.database.db
      .updateTable('policy_epoch')
      .set({ seal: value && JSON.stringify(value) } as never)
      .execute();
  const wait = async () => {
    for (let second = 0; second < 5; second += 1) {
      await world.step(MINUTE);
      await prover.runOnce();
    }
  };
  await wait();
  t.same(world.calls(), []);
  t.same([...new Set(asked)], [world.kid]);
  published = false;
  await seal({ at: 'now', by: 'host', reason: 'x' });
  await wait();
  t.same(world.calls(), []);
  t.match(await world.proof(), { outcome: 'under_way', looks: 0 });
  await seal(null);
  await wait();
  await wait();
  t.match(await world.proof(), { outcome: 'proved' });
});

t.test(
  'one replica at a time shows a key’s canaries; what a killed one left is another’s after its lease',
  async (t) => {
    const world = await openRevoked(t, { jwksCacheSeconds: 0 });
    await Promise.all([world.prover().runOnce(), world.prover().runOnce(), world.prover().runOnce()]);
    t.same(world.calls().length, 2, 'one look: its canary, and the active key’s');
    await world.step(MINUTE);
    const killed = world.prover({
      show: async () => {
        throw new StsError({ side: 'ours', awsCode: 'Killed', awsMessage: 'in the midst' });
      },
      log: { error: () => {} },
    });
    await killed.runOnce();
    await world.prover().runOnce();
    t.same(world.calls(), [], 'the lease stands');
    await world.step(MINUTE);
    await world.prover().runOnce();
    t.equal(world.calls().length, 2);
    t.match(await world.proof(), { outcome: 'under_way', standing: { refusals: 2 } });
  },
);

t.test('an answer that comes after the lease has passed on changes nothing', async (t) => {
  const world = await openRevoked(t, { jwksCacheSeconds: 0 });
  const slow = world.prover({
    publishedWithout: async () => {
      await world.step(2 * MINUTE);
      await world.prover().runOnce();
      return true;
    },
  });
  await slow.runOnce();
  t.match(await world.proof(), { looks: 1, standing: { refusals: 1 } });
});

t.test('the platform’s keys, which no STS knows, and keys that are not revoked are not shown', async (t) => {
  const world = await openCanaryWorld(t);
  await rotateNow({ ...world.rotation, checks: [] }, world.ringId, SYSTEM);
  await world.prover().runOnce();
  await world.database.db.updateTable('rings').set({ purpose: 'workload_token' }).execute();
  await revoke(world.rotation, { ring: world.ringId, kid: await world.active(), acceptOutage: true }, person);
  await world.prover().runOnce();
  t.same(world.calls(), []);
  t.same(await world.database.db.selectFrom('revocation_proofs').selectAll().execute(), []);
});

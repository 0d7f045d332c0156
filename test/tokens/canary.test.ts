// Who may sign canaries: a seasoned standby, a revoked key while it is being proved; and nothing else signs by either.
import { decodeJwt, decodeProtectedHeader } from 'jose';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { endProof, queueRevocations } from '../../src/connections/canary/store.ts';
import { halfOfError, LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { mayProveRevocation } from '../../src/keys/proofs.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { createMintCanary } from '../../src/tokens/canary.ts';
import { createMintWebIdentityToken } from '../../src/tokens/mint.ts';
import { createKeysFixture } from '../support/keys.ts';

const SEASONING = seasoning(LOOPBACK_POLICY);

async function openWorld(t: Test) {
  const keys = await createKeysFixture(t, { purpose: 'web_identity_token' });
  const { db } = keys.database;
  const view = keys.view();
  await view.refresh();
  const { clock } = keys;
  const minting = {
    issuerUrl: 'https://id.example.com',
    view,
    clock,
    signer: createLocalSigner({ db, keyring: keys.keyring, clock }),
  };
  const identity = { issuer: 'platform', algorithm: 'ES256' as const, subject: 'cn_x', roleArn: 'arn' };
  const mintCanary = createMintCanary({
    ...minting,
    mayProveRevocation: (ring, kid) => mayProveRevocation(db, ring, kid, clock.database()),
  });
  const mint = createMintWebIdentityToken(minting);
  const deps = { ...keys.deps, changed: () => view.refresh() };
  return {
    ...{ keys, deps, db, clock, view, ringId: keys.ringId },
    mint: () => mint(identity),
    canary: (kid?: string) => mintCanary({ ...identity, kid }),
    step: async (ms: number) => {
      clock.step(ms);
      await view.refresh();
    },
  };
}

t.test('a canary is a web identity token like any other, by the key that is named', async (t) => {
  const { canary, mint, keys } = await openWorld(t);
  const [active, standby] = keys.prepared.keys.map(({ kid }) => kid) as [string, string];
  const [plain, named] = [await mint(), await canary(standby)];
  t.equal(plain.kid, active);
  t.equal((await canary()).kid, active, 'the active key unless one is named');
  t.equal(named.kid, standby);
  t.same(decodeProtectedHeader(named.token), { ...decodeProtectedHeader(plain.token), kid: standby });
  const { jti, ...claims } = decodeJwt(named.token);
  const { jti: other, ...expected } = decodeJwt(plain.token);
  t.same(claims, expected);
  t.not(jti, other);
});

t.test('no key that is not active signs but for canaries, whoever asks and however', async (t) => {
  const { mint, canary, keys, db, clock, deps, ringId, step } = await openWorld(t);
  const first = keys.prepared.keys[0].kid;
  const { kid: second, standby: third } = await rotateNow(deps, ringId, SYSTEM);
  t.equal((await mint()).kid, second);
  t.equal((await (mint as (more: object) => ReturnType<typeof mint>)({ kid: third })).kid, second);
  await t.rejects(canary(first), { code: 'unavailable' }, 'a verify-only key signs no canary');
  await t.rejects(canary(third), { code: 'unavailable' }, 'nor does a standby that is not seasoned');
  await t.rejects(canary('A'.repeat(43)), { code: 'unavailable' }, 'nor a key that is none');
  await step(SEASONING - 1);
  await t.rejects(canary(third), { code: 'unavailable' });
  await step(1);
  t.equal((await canary(third)).kid, third);

  await revoke(deps, { ring: ringId, kid: second, acceptOutage: false }, SYSTEM);
  t.equal((await mint()).kid, third);
  await t.rejects(canary(second), { code: 'unavailable' }, 'a revoked key signs nothing before it is being proved');
  await queueRevocations(db, clock.database());
  t.equal((await canary(second)).kid, second, 'and canaries while it is');
  t.equal((await mint()).kid, third);
  t.notOk(await mayProveRevocation(db, 'another:ES256', second, clock.database()), 'for its own ring alone');
  await db.transaction().execute((trx) => endProof(trx, second, clock.database(), 'proved'));
  await t.rejects(canary(second), { code: 'unavailable' }, 'no longer than that');
});

t.test(
  'a revoked key signs no canary when its time has come, proved or not, and no unrevoked one by that door',
  async (t) => {
    const { canary, keys, db, clock, deps, ringId, step } = await openWorld(t);
    const [first] = keys.prepared.keys.map(({ kid }) => kid) as [string, string];
    await revoke(deps, { ring: ringId, kid: first, acceptOutage: false }, SYSTEM);
    await queueRevocations(db, clock.database());
    await step(SEASONING - 1);
    t.equal((await canary(first)).kid, first);
    await step(1);
    await t.rejects(canary(first), { code: 'unavailable' });
  },
);

t.test('nobody signs a canary with a view that is too old, or a clock that jumped', async (t) => {
  const { canary, keys, clock, view } = await openWorld(t);
  const [, standby] = keys.prepared.keys.map(({ kid }) => kid) as [string, string];
  clock.step(LOOPBACK_POLICY.oldestSigned);
  await t.rejects(canary(standby), { code: 'unavailable' });
  await t.rejects(canary(), { code: 'unavailable' });
  await view.refresh();
  t.ok(await canary(standby));
  clock.jump(halfOfError(LOOPBACK_POLICY) + 1);
  await t.rejects(canary(standby), { code: 'unavailable' });
});

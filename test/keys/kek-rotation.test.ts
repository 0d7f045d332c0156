// Rotation of the key-encryption key: what moves, what is refused, what is left alone, and who does it.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { createKeyring } from '../../src/keys/keyring/keyring.ts';
import { assertOpens, settleWrapping } from '../../src/keys/keyring/load.ts';
import { createPresence } from '../../src/keys/keyring/replicas.ts';
import { createRewrapping } from '../../src/keys/keyring/rewrap.ts';
import { rotateKek, showKeks } from '../../src/keys/keyring/rotation.ts';
import { takeLease } from '../../src/keys/keyring/store.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';

const actor = { ...SYSTEM, id: 'ad_x', reason: 'yearly' };

async function setUp(t: Test) {
  const [kek, next] = [createLocalKek(randomBytes(32)), createLocalKek(randomBytes(32))];
  const fixture = await createKeysFixture(t, { kek, further: [next] });
  const { database, act, keyring, clock } = fixture;
  const { db } = database;
  const replica = (id: string, opens = [kek, next]) =>
    createPresence({ db, id, host: 'host', opens: () => opens.map((one) => one.id) });
  const rewrapping = (worker: string) => createRewrapping({ db, act, keyring, clock, worker });
  await replica('rp_ours').beat();
  await settleWrapping(db, act, keyring);
  const deps = { db, act, keyring };
  const wrappedBy = async () =>
    (await db.selectFrom('private_keys').select(['kid', 'kek', 'envelope']).orderBy('kid').execute()) as {
      kid: string;
      kek: string;
      envelope: Buffer;
    }[];
  const sign = async (ring = keyring): Promise<Uint8Array> => {
    const { kid } = activeKey((await fixture.ring()).keys, clock.database()) as { kid: string };
    return await createLocalSigner({ db, keyring: ring, clock }).sign(kid, Buffer.from('x'));
  };
  const records = async () =>
    (await db.selectFrom('audit').select(['kind', 'row']).where('kind', 'like', 'kek.%').orderBy('seq').execute()).map(
      ({ kind, row }) => ({ kind, ...JSON.parse(row) }),
    );
  return { ...fixture, db, kekDeps: deps, next, replica, rewrapping, wrappedBy, sign, records };
}

t.test('every private half moves, signing goes on, and then the old key can go', async (t) => {
  const { db, act, kek, next, kekDeps, rewrapping, wrappedBy, sign, records, deps, ringId, clock } = await setUp(t);
  t.equal((await showKeks(kekDeps)).rotation, undefined);
  const started = await rotateKek(kekDeps, undefined, actor);
  t.match(started, { changed: true, rotation: { to: next.id, remaining: 2, actor: 'ad_x', reason: 'yearly' } });
  t.ok(await sign(), 'before anything moved');
  t.match(await rotateKek(kekDeps, next.id, actor), { changed: false }, 'again: nothing');
  clock.step(LOOPBACK_POLICY.period);
  await rotateNow(deps, ringId, SYSTEM);
  t.same(
    (await wrappedBy()).map((row) => row.kek === next.id).filter(Boolean).length,
    1,
    'what is made meanwhile is under the new one',
  );
  const worker = rewrapping('rp_ours');
  await worker.turn();
  t.same(new Set((await wrappedBy()).map((row) => row.kek)), new Set([next.id]));
  t.match(await showKeks(kekDeps), {
    rotation: { remaining: 0, finished_at: /Z$/ },
    keks: [
      { id: kek.id, wraps: false, private_halves: 0 },
      { id: next.id, wraps: true, private_halves: 3 },
    ],
  });
  const alone = createKeyring([next]);
  await assertOpens(db, alone);
  await settleWrapping(db, act, alone);
  t.ok(await sign(alone));
  await t.rejects(settleWrapping(db, act, createKeyring([kek])), { code: 'kek_wrong', message: new RegExp(next.id) });
  await t.rejects(assertOpens(db, createKeyring([kek])), { code: 'kek_wrong', message: new RegExp(next.id) });
  const before = await wrappedBy();
  await worker.turn();
  t.same(await wrappedBy(), before, 'nothing is moved twice');
  t.match(
    (await records()).map(({ kind, actor: by }) => [kind, by]),
    [
      ['kek.chosen', 'system'],
      ['kek.rotation_started', 'ad_x'],
      ['kek.rotation_finished', 'system'],
    ],
  );
});

t.test(
  'refused while a replica that lives does not open the new key: it is named, and nothing is chosen',
  async (t) => {
    const { db, kek, kekDeps, next, replica, rewrapping, wrappedBy } = await setUp(t);
    const old = replica('rp_old', [kek]);
    await old.beat();
    await t.rejects(rotateKek(kekDeps, undefined, actor), { code: 'kek_not_everywhere', message: /rp_old on host/ });
    t.equal((await showKeks(kekDeps)).rotation, undefined);
    await db
      .updateTable('replicas')
      .set({ seen_at: new Date(Date.now() - 70_000) })
      .where('id', '=', 'rp_old')
      .execute();
    await rotateKek(kekDeps, undefined, actor);
    await old.beat();
    await rewrapping('rp_ours').turn();
    t.ok(
      (await wrappedBy()).every((row) => row.kek === kek.id),
      'one that comes back stops the move',
    );
    t.match((await showKeks(kekDeps)).rotation, { remaining: 2, trouble: /rp_old/ });
    await old.leave();
    await rewrapping('rp_ours').turn();
    t.ok((await wrappedBy()).every((row) => row.kek === next.id));
    t.match((await showKeks(kekDeps)).rotation, { finished_at: /Z$/, trouble: undefined });
  },
);

t.test('a key that nobody was given, one that does not wrap, or none to choose from', async (t) => {
  const { kekDeps, kek, next } = await setUp(t);
  await t.rejects(rotateKek(kekDeps, 'a'.repeat(16), actor), { code: 'kek_unknown', message: new RegExp(next.id) });
  const shut = { ...next, unwrap: async () => Promise.reject(new Error('access denied')) };
  await t.rejects(rotateKek({ ...kekDeps, keyring: createKeyring([kek, shut]) }, undefined, actor), {
    code: 'kek_unknown',
    message: /access denied/,
  });
  await t.rejects(rotateKek({ ...kekDeps, keyring: createKeyring([kek]) }, undefined, actor), { code: 'kek_unknown' });
  const third = createLocalKek(randomBytes(32));
  const three = { ...kekDeps, keyring: createKeyring([kek, next, third]) };
  await t.rejects(rotateKek(three, undefined, actor), { code: 'kek_unknown', options: { hint: /Name it/ } });
  t.equal((await showKeks(kekDeps)).rotation, undefined);
});

t.test('a private half wrapped by the key before is not written after the choice', async (t) => {
  const { kekDeps, deps, ringId, ring, clock } = await setUp(t);
  clock.step(LOOPBACK_POLICY.period);
  const late = {
    ...deps,
    rings: {
      ...deps.rings,
      prepareKey: async (place: Parameters<typeof deps.rings.prepareKey>[0]) => {
        const prepared = await deps.rings.prepareKey(place);
        await rotateKek(kekDeps, undefined, actor);
        return prepared;
      },
    },
  };
  const before = await ring();
  await t.rejects(rotateNow(late, ringId, SYSTEM), { code: 'unavailable', message: /was rotated while/ });
  t.same(await ring(), before);
  t.ok(await rotateNow(deps, ringId, SYSTEM), 'and the next try goes through');
});

t.test('a row that does not open stays as it is, is named, and the rest moves', async (t) => {
  const { db, kekDeps, next, rewrapping, wrappedBy } = await setUp(t);
  const [first, second] = (await wrappedBy()) as unknown as [
    { kid: string; envelope: Buffer },
    { kid: string; envelope: Buffer },
  ];
  await db.updateTable('private_keys').set({ envelope: second.envelope }).where('kid', '=', first.kid).execute();
  await rotateKek(kekDeps, undefined, actor);
  await rewrapping('rp_ours').turn();
  const after = await wrappedBy();
  t.same(after[0]?.envelope, second.envelope);
  t.equal(after[1]?.kek, next.id);
  t.match((await showKeks(kekDeps)).rotation, { remaining: 1, trouble: new RegExp(first.kid), finished_at: undefined });
});

t.test('a row that was deleted or written while it was moved is left alone', async (t) => {
  const { db, act, kek, next, keyring, clock, kekDeps, wrappedBy } = await setUp(t);
  const [first, second] = (await wrappedBy()) as unknown as [{ kid: string }, { kid: string }];
  await rotateKek(kekDeps, undefined, actor);
  // While its envelope is made, the row goes, or somebody writes it.
  let changed = false;
  const slow = {
    ...next,
    wrap: async (...args: Parameters<typeof next.wrap>) => {
      if (!changed) {
        changed = true;
        await db.deleteFrom('private_keys').where('kid', '=', first.kid).execute();
        await db
          .updateTable('private_keys')
          .set({ envelope: Buffer.from('written') })
          .where('kid', '=', second.kid)
          .execute();
      }
      return await next.wrap(...args);
    },
  };
  const watched = { ...keyring, find: (id: string) => (id === next.id ? slow : kek), follow: () => slow };
  await createRewrapping({ db, act, keyring: watched, clock, worker: 'rp_ours' }).turn();
  t.match(await wrappedBy(), [{ kid: second.kid, kek: kek.id, envelope: Buffer.from('written') }]);
});

t.test('one replica at a time; the lease of a dead one runs out', async (t) => {
  const { db, kekDeps, rewrapping, wrappedBy, kek, next } = await setUp(t);
  await rotateKek(kekDeps, undefined, actor);
  t.ok(await takeLease(db, 1, 'rp_dead', 30));
  await rewrapping('rp_ours').turn();
  t.ok((await wrappedBy()).every((row) => row.kek === kek.id));
  await db
    .updateTable('kek_rotations')
    .set({ worker_until: new Date(Date.now() - 1000) })
    .execute();
  await rewrapping('rp_ours').turn();
  t.ok((await wrappedBy()).every((row) => row.kek === next.id));
});

t.test('chosen back in the midst: rows follow the last choice, and none is left under another', async (t) => {
  const { db, act, kek, next, keyring, clock, kekDeps, rewrapping, wrappedBy } = await setUp(t);
  await rotateKek(kekDeps, undefined, actor);
  let back = false;
  const turned = {
    ...next,
    wrap: async (...args: Parameters<typeof next.wrap>) => {
      if (!back) {
        back = true;
        await rotateKek(kekDeps, kek.id, actor);
        await rewrapping('rp_peer').turn();
      }
      return await next.wrap(...args);
    },
  };
  const watched = { ...keyring, find: (id: string) => (id === next.id ? turned : kek), follow: () => turned };
  await createRewrapping({ db, act, keyring: watched, clock, worker: 'rp_ours' }).turn();
  t.ok(
    (await wrappedBy()).every((row) => row.kek === kek.id),
    'who was moving rows to the other key has stopped',
  );
  t.match((await showKeks(kekDeps)).rotation, { to: kek.id, remaining: 0, finished_at: /Z$/ });
});

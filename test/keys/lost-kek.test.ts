// A key-encryption key that is lost while processes run (docs/incidents/lost-kek.md): what goes on, and the way out by AWS KMS.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { systemClock } from '../../src/clock.ts';
import type { RingKey } from '../../src/keys/facts.ts';
import { chooseSigner } from '../../src/keys/held/choose.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { createKeyring } from '../../src/keys/keyring/keyring.ts';
import { assertOpens, settleWrapping } from '../../src/keys/keyring/load.ts';
import { createPresence } from '../../src/keys/keyring/replicas.ts';
import { rotateKek, showKeks } from '../../src/keys/keyring/rotation.ts';
import { DESTROY_MARGIN, LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { deleteDuePrivateKeys } from '../../src/keys/store.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { createKeysFixture } from '../support/keys.ts';
import { assertion, postToken, registerClient, startTestService, tokenForm } from '../support/service.ts';
import { until } from '../support/until.ts';
import { openWithKms } from './with-kms.ts';

t.test('a process goes on minting without the file, for longer than private halves stay open', async (t) => {
  let ahead = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead };
  const service = await startTestService(t, { clock });
  const client = await registerClient(service, { slug: 'billing' });
  const { issuerUrl } = service.config;
  const mint = async () =>
    await postToken(service.url, tokenForm(await assertion(issuerUrl, client), `${service.url}/v1`));
  t.equal((await mint()).status, 200);
  for (const source of service.config.keks) if ('file' in source) rmSync(source.file);
  ahead += DESTROY_MARGIN + 60_000;
  // Its view of the keys is as old, for a moment.
  t.ok(await until(async () => (await mint()).status === 200));
  const rotated = await service.call(
    'POST',
    '/v1/keys/platform/rotate',
    { now: true },
    { headers: { 'countersign-reason': 'a%20test' } },
  );
  t.equal(rotated.status, 200, 'and makes keys');
  t.ok(await until(async () => (await mint()).status === 200));
});

t.test('without the file a ring moves to AWS KMS, and then a start with another key is taken', async (t) => {
  const { fixture, holders } = await openWithKms(t);
  const { database, act, keyring, kek: lost, clock, deps, ringId: ring } = fixture;
  const { db } = database;
  const presence = createPresence({ db, id: 'rp_old', host: 'host', opens: () => [lost.id] });
  await presence.beat();
  await settleWrapping(db, act, keyring);
  const other = createLocalKek(randomBytes(32));
  const start = async () => {
    const given = createKeyring([other]);
    await assertOpens(db, given);
    await settleWrapping(db, act, given);
    return given;
  };
  const region = 'eu-central-1';
  await chooseSigner({ db, act, holders }, { ring, signer: 'aws_kms', region }, { ...SYSTEM, reason: 'lost' });
  const rotate = async () => {
    await t.rejects(start(), { code: 'kek_wrong' });
    clock.step(seasoning(LOOPBACK_POLICY));
    await rotateNow(deps, ring, SYSTEM);
  };
  await rotate();
  await rotate();
  await t.rejects(start(), { code: 'kek_wrong', message: new RegExp(lost.id) }, 'the one before may sign for a moment');
  clock.step(3_600_000);
  await deleteDuePrivateKeys(db, clock.database());
  t.match((await showKeks({ db, act, keyring })).keks, [{ id: lost.id, private_halves: 0 }]);
  await t.rejects(
    start(),
    { code: 'kek_wrong', message: new RegExp(lost.id) },
    'a process that lives opens the lost one alone',
  );
  await presence.leave();
  const given = await start();
  t.equal(given.wrapping(), other);
  await createPresence({ db, id: 'rp_new', host: 'host', opens: () => [other.id] }).beat();
  await t.rejects(settleWrapping(db, act, createKeyring([lost])), { code: 'kek_wrong', message: new RegExp(other.id) });
  const { kid } = activeKey((await fixture.ring()).keys, clock.database()) as RingKey;
  t.ok(await createLocalSigner({ db, keyring: given, clock, holders }).sign(kid, Buffer.from('x')));
});

t.test('a key that is chosen and was not given yet gives way to nothing while another has wrapped', async (t) => {
  const { database, act, keyring, kek } = await createKeysFixture(t, { further: [createLocalKek(randomBytes(32))] });
  const { db } = database;
  await settleWrapping(db, act, keyring);
  await rotateKek({ db, act, keyring }, undefined, { ...SYSTEM, reason: 'yearly' });
  await t.rejects(settleWrapping(db, act, createKeyring([kek])), { code: 'kek_wrong' });
});

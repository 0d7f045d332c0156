// Private halves at rest: what opens, and everything that does not.
import { randomBytes } from 'node:crypto';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createAwsKms } from '../../src/clouds/aws-kms.ts';
import { decrypt, encrypt, type Kek, type Place } from '../../src/keys/encrypt.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { createKeyring } from '../../src/keys/keyring/keyring.ts';
import { loadKeyring } from '../../src/keys/keyring/load.ts';
import { createRings } from '../../src/keys/rings.ts';
import { DESTROY_MARGIN } from '../../src/keys/policy.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { openTestDatabase } from '../support/databases.ts';
import { tempDir } from '../support/service.ts';
import { createKeysFixture, openPrepared } from '../support/keys.ts';

const place: Place = {
  table: 'private_keys',
  kid: 'k1',
  ring: 'platform:ES256',
  algorithm: 'ES256',
  purpose: 'workload_token',
};

t.test('a ciphertext opens at its own place alone', async (t) => {
  const kek = createLocalKek(randomBytes(32));
  const envelope = await encrypt(kek, Buffer.from('secret'), place);
  t.notOk(envelope.includes(Buffer.from('secret')));
  t.equal((await decrypt(kek, envelope, place)).toString(), 'secret');
  for (const [member, value] of Object.entries({
    kid: 'k2',
    ring: 'is_x:ES256',
    algorithm: 'RS256',
    purpose: 'web_identity_token',
  })) {
    await t.rejects(decrypt(kek, envelope, { ...place, [member]: value }), `moved: ${member}`);
  }
  // Without length prefixes these two would have the same bytes.
  await t.rejects(
    decrypt(kek, await encrypt(kek, Buffer.from('x'), { ...place, kid: 'a', ring: 'bc' }), {
      ...place,
      kid: 'ab',
      ring: 'c',
    }),
  );
  await t.rejects(decrypt(createLocalKek(randomBytes(32)), envelope, place), 'another KEK');
  for (const index of [0, 1, 5, 40, envelope.length - 20, envelope.length - 1]) {
    const altered = Buffer.from(envelope);
    altered[index] = (altered[index] as number) ^ 1;
    await t.rejects(decrypt(kek, altered, place), `altered at ${index}`);
  }
});

t.test('a KEK is made only where nothing can be lost, and a wrong or missing one stops the start', async (t) => {
  const database = await openTestDatabase(t);
  const file = join(tempDir(t), 'keys', 'kek');
  const load = (files: string[], mayCreate: boolean) =>
    loadKeyring(database.db, {
      ...{ sources: files.map((name) => ({ file: name })), mayCreate, kms: createAwsKms() },
    });
  await t.rejects(load([file], false), { code: 'kek_missing' });
  await t.rejects(load([file, `${file}-further`], true), { code: 'kek_missing' }, 'no further one is ever made');
  const [kek] = (await load([file], true)).keks as [Kek];
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal((await load([file], true)).wrapping().id, kek.id, 'the same one again');

  await createKeysFixture(t, { database, kek });
  t.equal((await load([file], true)).wrapping().id, kek.id);
  await t.rejects(
    load([`${file}-gone`], true),
    { code: 'kek_missing', message: new RegExp(kek.id) },
    'never made over rows',
  );
  const wrong = `${file}-wrong`;
  writeFileSync(wrong, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  await t.rejects(load([wrong], true), { code: 'kek_wrong', message: new RegExp(kek.id) });
  t.ok((await load([wrong, file], false)).find(kek.id), 'one more beside the right one is no harm');
  chmodSync(file, 0o644);
  await t.rejects(load([file], true), { code: 'kek_exposed' });
  writeFileSync(wrong, 'not a key');
  await t.rejects(load([wrong], true), { code: 'kek_malformed' });
});

t.test('a row moved to another key does not sign', async (t) => {
  const { database, keyring, ring, clock } = await createKeysFixture(t);
  const [active, standby] = (await ring()).keys as unknown as [{ kid: string }, { kid: string }];
  const { envelope } = await database.db
    .selectFrom('private_keys')
    .select('envelope')
    .where('kid', '=', standby.kid)
    .executeTakeFirstOrThrow();
  t.ok(await createLocalSigner({ db: database.db, keyring, clock }).sign(active.kid, Buffer.from('x')));
  await database.db.updateTable('private_keys').set({ envelope }).where('kid', '=', active.kid).execute();
  await t.rejects(createLocalSigner({ db: database.db, keyring, clock }).sign(active.kid, Buffer.from('x')));
});

t.test('no private half is in the database in clear', async (t) => {
  const database = await openTestDatabase(t);
  const kek = createLocalKek(randomBytes(32));
  const rings = createRings({ db: database.db, keyring: createKeyring([kek]), readClock: async () => Date.now() });
  const { prepared } = await createKeysFixture(t, { database, kek, rings });
  const rows = await database.db.selectFrom('private_keys').selectAll().execute();
  t.equal(rows.length, 2);
  for (const key of prepared.keys) {
    const { d } = (await openPrepared(kek, prepared, key)).export({ format: 'jwk' });
    const scalar = Buffer.from(d as string, 'base64url');
    for (const row of rows) t.notOk(row.envelope.includes(scalar));
  }
});

t.test('a private half leaves memory 15 minutes after it was opened, whoever deleted its row', async (t) => {
  const { database, keyring, ring, clock } = await createKeysFixture(t);
  const signer = createLocalSigner({ db: database.db, keyring, clock });
  const [{ kid }] = (await ring()).keys as unknown as [{ kid: string }];
  const sign = () => signer.sign(kid, Buffer.from('x'));
  await sign();
  await database.db.deleteFrom('private_keys').execute();
  clock.step(DESTROY_MARGIN - 1);
  t.ok(await sign(), 'a peer that lags may still sign');
  clock.step(2);
  await t.rejects(sign(), { code: 'unavailable', message: /gone/ });
});

// A key-encryption key in AWS KMS, against a stand-in: what it wraps, what it refuses, and what stops a start.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { createAwsKms } from '../../src/clouds/aws-kms.ts';
import { readConfig } from '../../src/config.ts';
import { decrypt, encrypt, placeOf } from '../../src/keys/encrypt.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { openKmsKek } from '../../src/keys/keyring/kms-kek.ts';
import { settleWrapping } from '../../src/keys/keyring/load.ts';
import { createRewrapping } from '../../src/keys/keyring/rewrap.ts';
import { rotateKek, showKeks } from '../../src/keys/keyring/rotation.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { PATIENCE_MS, until } from '../support/until.ts';
import { openTestDatabase } from '../support/databases.ts';
import { createKeysFixture } from '../support/keys.ts';
import { giveCredentials, startStandInKms } from '../support/kms.ts';
import { findLastingPort } from '../support/ports.ts';
import { writeKek } from '../support/process.ts';
import { startTestService } from '../support/service.ts';

const actor = { ...SYSTEM, id: 'ad_x', reason: 'to KMS' };
const ring = { id: 'platform:ES256', algorithm: 'ES256', purpose: 'workload_token' } as const;

async function setUp(t: Test) {
  giveCredentials(t);
  const standIn = await startStandInKms(t);
  const kms = createAwsKms({ endpointUrl: standIn.url, timeoutMs: PATIENCE_MS });
  t.teardown(() => kms.close());
  const key = standIn.make();
  return { standIn, kms, key };
}

t.test('wraps with its place as the encryption context, and opens there alone', async (t) => {
  const { standIn, kms, key } = await setUp(t);
  const kek = await openKmsKek(kms, key.arn);
  t.equal(kek.id, key.arn);
  const place = placeOf('k1', ring);
  const envelope = await encrypt(kek, Buffer.from('secret'), place);
  t.notOk(envelope.includes(Buffer.from('secret')));
  t.same(standIn.calls.at(-1)?.input['EncryptionContext'], {
    ...{ version: 'v1', table: 'private_keys', kid: 'k1', ring: 'platform:ES256' },
    ...{ algorithm: 'ES256', purpose: 'workload_token' },
  });
  t.equal((await decrypt(kek, envelope, place)).toString(), 'secret');
  for (const moved of [placeOf('k2', ring), placeOf('k1', { ...ring, id: 'is_x:ES256' })])
    await t.rejects(decrypt(kek, envelope, moved), { code: 'unavailable', message: /InvalidCiphertext/ });
  await t.rejects(decrypt(await openKmsKek(kms, standIn.make().arn), envelope, place), 'another key');
});

t.test('a start says what is wrong with a key, and what to do', async (t) => {
  const { standIn, kms, key } = await setUp(t);
  const unfit = (spec: 'ECC_NIST_P256' | 'RSA_2048' | 'HMAC_256') => openKmsKek(kms, standIn.make(spec).arn);
  for (const spec of ['ECC_NIST_P256', 'RSA_2048', 'HMAC_256'] as const)
    await t.rejects(unfit(spec), { code: 'kek_unfit', message: new RegExp(spec), hint: /symmetric/ });
  key.state = 'Disabled';
  await t.rejects(openKmsKek(kms, key.arn), { code: 'kek_unfit', message: /Disabled/, hint: /enable-key/ });
  key.state = 'PendingDeletion';
  await t.rejects(openKmsKek(kms, key.arn), { code: 'kek_unfit', hint: /cancel-key-deletion/ });
  key.state = 'Enabled';
  const elsewhere = key.arn.replace('eu-central-1', 'eu-west-1');
  await t.rejects(openKmsKek(kms, elsewhere), { code: 'kek_missing', message: /eu-west-1/ });
  for (const action of ['DescribeKey', 'Encrypt', 'Decrypt']) {
    standIn.denied = new Set([action]);
    await t.rejects(openKmsKek(kms, key.arn), { code: 'kek_refused', hint: /kms:Encrypt/ }, action);
  }
  standIn.denied = new Set();
  standIn.throttle = 1;
  t.ok(await openKmsKek(kms, key.arn), 'throttled once: tried again');
  standIn.throttle = 1000;
  await t.rejects(openKmsKek(kms, key.arn), { code: 'kek_unreachable', message: /Throttling|Timeout/ });
  standIn.throttle = 0;
  standIn.latencyMs = 2000;
  const hasty = createAwsKms({ endpointUrl: standIn.url, timeoutMs: 300 });
  await t.rejects(openKmsKek(hasty, key.arn), { code: 'kek_unreachable', message: /Timeout/ });
});

t.test('an ARN that is none, an alias, and a region that is not known are told by the configuration', async (t) => {
  const read = (keys: string) => readConfig({ ISSUER_URL: 'http://127.0.0.1:8080', KEY_ENCRYPTION_KEYS: keys });
  for (const arn of [
    'arn:aws:kms:eu-central-1:111122223333:alias/kek',
    'arn:aws:kms:xx-north-9:111122223333:key/a',
    'arn:aws-cn:kms:eu-central-1:111122223333:key/a',
    'arn:aws:iam::111122223333:role/kek',
  ])
    t.throws(() => read(arn), { message: new RegExp(`KEY_ENCRYPTION_KEYS: ${arn} is not the ARN of a KMS key`) });
  const kmsKey = 'arn:aws:kms:eu-central-1:111122223333:key/a';
  t.same(read(`${kmsKey},/k`).keks, [{ kmsKey }, { file: '/k' }]);
});

t.test('from a file to KMS and back is a rotation; a private half is asked of KMS once', async (t) => {
  const { standIn, kms, key } = await setUp(t);
  const [kek, remote] = [createLocalKek(randomBytes(32)), await openKmsKek(kms, key.arn)];
  const fixture = await createKeysFixture(t, { kek, further: [remote] });
  const { database, act, keyring, clock } = fixture;
  const { db } = database;
  const deps = { db, act, keyring };
  await settleWrapping(db, act, keyring);
  const move = async (): Promise<void> => {
    await rotateKek(deps, undefined, actor);
    await createRewrapping({ db, act, keyring, clock, worker: 'rp_ours' }).turn();
    t.match((await showKeks(deps)).rotation, { remaining: 0, finished_at: /Z$/ });
  };
  await move();
  t.same(
    (await db.selectFrom('private_keys').select('kek').distinct().execute()).map((row) => row.kek),
    [key.arn],
  );
  const { kid } = activeKey((await fixture.ring()).keys, clock.database()) as { kid: string };
  const signer = createLocalSigner({ db, keyring, clock });
  const before = standIn.calls.length;
  await Promise.all(Array.from({ length: 20 }, () => signer.sign(kid, Buffer.from('x'))));
  t.same(
    standIn.calls.slice(before).map(({ action }) => action),
    ['Decrypt'],
    'for twenty signatures at once',
  );
  standIn.denied = new Set(['Decrypt']);
  t.ok(await signer.sign(kid, Buffer.from('x')), 'it is open');
  await t.rejects(createLocalSigner({ db, keyring, clock }).sign(kid, Buffer.from('x')), {
    code: 'unavailable',
  });
  await t.rejects(rotateKek(deps, key.arn.replace('key/', 'key/x'), actor), { code: 'kek_unknown' });
  standIn.denied = new Set();
  await move();
  t.same(
    (await db.selectFrom('private_keys').select('kek').distinct().execute()).map((row) => row.kek),
    [kek.id],
  );
});

t.test('a service under a KMS key: it starts, serves, and is rotated by the API', async (t) => {
  const { standIn, key } = await setUp(t);
  const env = { KMS_ENDPOINT_URL: standIn.url, KEY_ENCRYPTION_KEY_FILE: writeKek(t), KEY_ENCRYPTION_KEYS: key.arn };
  const service = await startTestService(t, { env });
  const started = await service.call(
    'POST',
    '/v1/kek/rotate',
    { to: key.arn },
    { headers: { 'countersign-reason': 'x' } },
  );
  t.match(started, { status: 200, body: { changed: true } });
  t.equal((await service.call('GET', '/v1/whoami')).status, 200);
  standIn.denied = new Set(['Encrypt']);
  const refused = await service.call('POST', '/v1/connections', {
    ...{ name: 'Acme', aws: { account_id: '111122223333', permission_set: 'core' } },
  });
  t.match(refused, { status: 503, body: { code: 'unavailable', detail: /AccessDenied/ } });
  t.notMatch(JSON.stringify(service.logged), /AKIDEXAMPLE|Plaintext/);
});

t.test(
  'KMS from the first start, back to a file by rotation, and a start with the file alone while KMS is away',
  async (t) => {
    const { standIn, key } = await setUp(t);
    const database = await openTestDatabase(t);
    const file = writeKek(t);
    const common = { KMS_ENDPOINT_URL: standIn.url, ISSUER_URL: `http://127.0.0.1:${await findLastingPort()}` };
    const first = await startTestService(t, {
      database,
      env: { ...common, KEY_ENCRYPTION_KEYS: `${key.arn},${file}` },
    });
    const wrappedBy = async () =>
      (await database.db.selectFrom('private_keys').select('kek').distinct().execute()).map(({ kek }) => kek);
    t.same(await wrappedBy(), [key.arn]);
    const { body: before } = await first.call('GET', '/v1/kek');
    const { id: to } = before.keks.find(({ id }: { id: string }) => id !== key.arn);
    await first.call('POST', '/v1/kek/rotate', { to }, { headers: { 'countersign-reason': 'back to a file' } });
    const finished = async (): Promise<boolean> =>
      (await first.call('GET', '/v1/kek')).body.rotation?.finished_at !== undefined;
    t.ok(await until(finished, 60_000), JSON.stringify((await first.call('GET', '/v1/kek')).body));
    t.same(await wrappedBy(), [to]);
    await first.close();

    standIn.away = true;
    const asked = standIn.calls.length;
    const again = await startTestService(t, { database, env: { ...common, KEY_ENCRYPTION_KEY_FILE: file } });
    const created = await again.call('POST', '/v1/connections', {
      ...{ name: 'Acme', aws: { account_id: '111122223333', permission_set: 'core' } },
    });
    t.equal(created.status, 201, 'a private half is made and wrapped');
    t.equal((await again.call('GET', '/v1/whoami')).status, 200, 'one from before is opened, and signs');
    t.equal(standIn.calls.length, asked, 'KMS was not asked');
  },
);

// AWS KMS as signer, against a stand-in: a ring moves there and back by rotations, and nothing false leaves it.
import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { publicJwk } from '../../src/keys/algorithms.ts';
import type { RingKey } from '../../src/keys/facts.ts';
import { createKmsHolder } from '../../src/keys/held/aws-kms.ts';
import { chooseSigner } from '../../src/keys/held/choose.ts';
import { readDerSignature } from '../../src/keys/held/der.ts';
import { destroyOrphans } from '../../src/keys/held/orphans.ts';
import { listKeyPlaces } from '../../src/keys/held/store.ts';
import { LOOPBACK_POLICY, seasoning } from '../../src/keys/policy.ts';
import { rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { deleteDuePrivateKeys } from '../../src/keys/store.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import { derInteger } from '../support/ecdsa.ts';
import { openWithKms } from './with-kms.ts';

const actor = { ...SYSTEM, id: 'ad_x', reason: 'to KMS' };
const data = Buffer.from('header.payload');
const region = 'eu-central-1';

async function setUp(t: Test) {
  const { standIn, kms, holders, fixture } = await openWithKms(t);
  const { database, act, keyring, clock, ringId, deps } = fixture;
  const { db } = database;
  const signer = createLocalSigner({ db, keyring, clock, holders });
  const active = async () => activeKey((await fixture.ring()).keys, clock.database()) as RingKey;
  const choose = (input: { signer: 'local' | 'aws_kms'; region?: string }) =>
    chooseSigner({ db, act, holders }, { ring: ringId, ...input }, actor);
  const rotate = async () => {
    clock.step(seasoning(LOOPBACK_POLICY));
    return await rotateNow(deps, ringId, SYSTEM);
  };
  const age = () =>
    db
      .updateTable('held_keys')
      .set({ created_at: new Date(Date.now() - 7_200_000) })
      .execute();
  return { ...fixture, db, standIn, kms, holders, signer, active, choose, rotate, age };
}

t.test('a ring moves to KMS by two rotations, and back by two; its keys there end with their time', async (t) => {
  const { db, standIn, holders, signer, active, choose, rotate, clock, ringId, age } = await setUp(t);
  t.match(await choose({ signer: 'aws_kms', region }), { changed: true });
  t.match(await choose({ signer: 'aws_kms', region }), { changed: false });
  t.equal([...standIn.keys.values()].filter(({ state }) => state === 'Enabled').length, 0, 'the probe is gone');
  await rotate();
  t.same(
    (await listKeyPlaces(db, ringId)).map(({ signer: at }) => at),
    ['local', 'local', 'aws_kms'],
  );
  await rotate();
  const { kid, public: publicHalf } = await active();
  const place = (await listKeyPlaces(db, ringId)).find((key) => key.kid === kid);
  t.match(place, { signer: 'aws_kms', name: /^arn:aws:kms:eu-central-1:/ });
  t.match(standIn.keys.get(place?.name as string)?.tags, { 'countersign:ring': ringId });
  for (let index = 0; index < 40; index += 1) {
    const signature = await signer.sign(kid, data);
    const key = createPublicKey({ key: publicJwk('ES256', publicHalf), format: 'jwk' });
    t.ok(signature.length === 64 && verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature));
  }
  t.notOk(
    (await db.selectFrom('private_keys').select('envelope').where('kid', '=', kid).execute())[0]?.envelope.length,
    'no private half is here',
  );
  await choose({ signer: 'local' });
  await rotate();
  await rotate();
  t.not((await active()).kid, kid);
  await age();
  await destroyOrphans(db, holders, 20);
  t.equal(standIn.keys.get(place?.name as string)?.state, 'Enabled', 'while its row is there');
  clock.step(3_600_000);
  await deleteDuePrivateKeys(db, clock.database());
  await destroyOrphans(db, holders, 20);
  t.equal(standIn.keys.get(place?.name as string)?.state, 'PendingDeletion');
  t.equal([...standIn.keys.values()].filter(({ state }) => state === 'Enabled').length, 0, 'nothing is left there');
});

t.test('a signature that is not of the published key never leaves', async (t) => {
  const { standIn, signer, active, choose, rotate } = await setUp(t);
  await choose({ signer: 'aws_kms', region });
  await rotate();
  await rotate();
  const { kid } = await active();
  t.ok(await signer.sign(kid, data));
  standIn.lies = true;
  await t.rejects(signer.sign(kid, data), { code: 'unavailable', message: /not of it/ });
  standIn.lies = false;
  standIn.throttle = 1;
  t.ok(await signer.sign(kid, data), 'throttled once: tried again');
  standIn.denied = new Set(['Sign']);
  await t.rejects(signer.sign(kid, data), { code: 'unavailable', message: /AccessDenied/ });
});

t.test('refused before anything changes: a region that is none, a KMS that refuses, one that lies', async (t) => {
  const { db, standIn, choose } = await setUp(t);
  await t.rejects(choose({ signer: 'aws_kms' }), { code: 'invalid_request' });
  await t.rejects(choose({ signer: 'local', region }), { code: 'invalid_request' });
  await t.rejects(choose({ signer: 'aws_kms', region: 'xx-north-9' }), {
    code: 'invalid_request',
    message: /xx-north-9/,
  });
  for (const action of ['CreateKey', 'GetPublicKey', 'Sign', 'ScheduleKeyDeletion']) {
    standIn.denied = new Set([action]);
    await t.rejects(choose({ signer: 'aws_kms', region }), { code: 'signer_refused', message: /AccessDenied/ }, action);
  }
  standIn.denied = new Set();
  standIn.lies = true;
  await t.rejects(choose({ signer: 'aws_kms', region }), { code: 'signer_refused', message: /not of it/ });
  t.same(await db.selectFrom('ring_signers').selectAll().execute(), []);
});

t.test('a KMS that is away holds up its own ring alone, and the ring can be taken back at once', async (t) => {
  const { standIn, choose, deps, ringId, ring, clock } = await setUp(t);
  await choose({ signer: 'aws_kms', region });
  standIn.denied = new Set(['CreateKey']);
  clock.step(LOOPBACK_POLICY.period);
  const before = await ring();
  t.equal(await rotateDue(deps, ringId, SYSTEM), undefined, 'put off, and the queue goes on');
  await t.rejects(rotateNow(deps, ringId, SYSTEM), {
    code: 'unavailable',
    options: { hint: /key signer <issuer> local/ },
  });
  t.same((await ring()).keys, before.keys);
  await choose({ signer: 'local' });
  t.ok(await rotateNow(deps, ringId, SYSTEM));
});

t.test('a key that no ring took is found and destroyed', async (t) => {
  const { db, standIn, holders, choose, deps, ring, age } = await setUp(t);
  await choose({ signer: 'aws_kms', region });
  const { kid } = await deps.rings.prepareKey(await ring());
  await destroyOrphans(db, holders, 20);
  t.equal([...standIn.keys.values()].filter(({ state }) => state === 'Enabled').length, 1, 'it may be on its way');
  await age();
  standIn.denied = new Set(['ScheduleKeyDeletion']);
  await t.rejects(destroyOrphans(db, holders, 20), { message: /AccessDenied/ });
  standIn.denied = new Set();
  await destroyOrphans(db, holders, 20);
  t.equal([...standIn.keys.values()].filter(({ state }) => state === 'Enabled').length, 0);
  t.ok((await db.selectFrom('held_keys').select('deleted_at').where('kid', '=', kid).executeTakeFirst())?.deleted_at);
});

t.test(
  'a key that KMS made and that could not be recorded is destroyed, and what failed is what is told',
  async (t) => {
    const { db, standIn, holders, choose, deps, ring, age } = await setUp(t);
    await choose({ signer: 'aws_kms', region });
    const left = () => [...standIn.keys.values()].filter(({ state }) => state === 'Enabled').length;
    const made = standIn.keys.size;
    const prepare = async () => await deps.rings.prepareKey(await ring());
    standIn.denied = new Set(['GetPublicKey']);
    await t.rejects(prepare(), { code: 'unavailable', message: /perform: kms:GetPublicKey/ });
    t.equal(left(), 0, 'at once');
    standIn.denied = new Set(['GetPublicKey', 'ScheduleKeyDeletion']);
    await t.rejects(prepare(), { code: 'unavailable', message: /perform: kms:GetPublicKey/ });
    t.equal(left(), 1);
    standIn.denied = new Set();
    await age();
    await destroyOrphans(db, holders, 20);
    t.equal(left(), 0, 'or as an orphan');
    await sql`alter table held_keys rename to held_keys_away`.execute(db);
    await t.rejects(prepare(), { message: /held_keys/ });
    t.equal(left(), 0, 'nor is one left that the database does not take');
    t.equal(standIn.keys.size, made + 3);
  },
);

t.test('RS256 keys of KMS sign as JWS wants it', async (t) => {
  const { kms, standIn } = await setUp(t);
  const holder = createKmsHolder(kms, 'https://id.example.com');
  const name = await holder.create({ region, algorithm: 'RS256', ring: 'is_x:RS256' });
  const key = await holder.publicKey(name);
  t.ok(verify('sha256', data, key, await holder.sign(name, 'RS256', data)));
  await holder.destroy(name);
  await holder.destroy(name);
  await t.rejects(holder.sign(name, 'RS256', data), { message: /KMSInvalidState/ });
  await t.rejects(holder.sign(standIn.make('HMAC_256').arn, 'RS256', data), { message: /InvalidKeyUsage/ });
  await t.rejects(holder.sign(standIn.make('RSA_2048').arn, 'ES256', data), { message: /InvalidKeyUsage/ });
});

t.test('DER is read strictly', async (t) => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const encode = (...parts: Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.of(0x30, body.length), body]);
  };
  const coordinate = fc.oneof(
    fc.bigInt({ min: 1n, max: order - 1n }),
    fc.integer({ min: 1, max: 256 }).map((bits) => (1n << BigInt(bits % 255)) - 1n || 1n),
  );
  fc.assert(
    fc.property(coordinate, coordinate, (r, s) => {
      const raw = readDerSignature(encode(derInteger(r), derInteger(s)));
      const hex = (value: bigint): string => value.toString(16).padStart(64, '0');
      return raw.toString('hex') === hex(r) + hex(s);
    }),
  );
  const [one, two] = [derInteger(1n), derInteger(2n)];
  const bad: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    'zero r': encode(derInteger(0n), two),
    'zero s': encode(one, derInteger(0n)),
    'r of the order': encode(derInteger(order), two),
    's above the order': encode(one, derInteger(order + 1n)),
    'a leading zero too many': encode(Buffer.of(2, 2, 0, 1), two),
    negative: encode(Buffer.of(2, 1, 0x80), two),
    'an integer of no bytes': encode(Buffer.of(2, 0), two),
    'bytes after it': Buffer.concat([encode(one, two), Buffer.of(0)]),
    'bytes within it': encode(one, two, Buffer.of(0)),
    'three integers': encode(one, two, one),
    'one integer': encode(one),
    'another tag': encode(Buffer.of(3, 1, 1), two),
    'cut off': encode(one, two).subarray(0, -1),
    'a long form of its length': Buffer.concat([Buffer.of(0x30, 0x81, 6), one, two]),
    'an integer of 34 bytes': encode(Buffer.concat([Buffer.of(2, 34, 0, 0x80), Buffer.alloc(32)]), two),
  };
  for (const [what, der] of Object.entries(bad)) t.throws(() => readDerSignature(der), what);
});

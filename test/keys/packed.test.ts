// Rings in memory: what is packed comes out as it was, whatever facts there are, and takes no more room than it must.
import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { Ring, RingKey } from '../../src/keys/facts.ts';
import { createRingMemory } from '../../src/keys/memory.ts';
import { packRings, unpackRings } from '../../src/keys/packed.ts';

const ISSUER = `is_${'a'.repeat(26)}`;
const time = fc.integer({ min: 0, max: 2 ** 47 });
const maybeTime = fc.option(time, { nil: undefined });

const key: fc.Arbitrary<RingKey> = fc.record({
  kid: fc.stringMatching(/^[\w-]{1,43}$/),
  publishedAt: time,
  bornWithRing: fc.boolean(),
  seq: fc.option(fc.nat(), { nil: undefined }),
  signsFrom: maybeTime,
  removedAt: maybeTime,
  destroyedAt: maybeTime,
  revokedAt: maybeTime,
  public: fc.constantFrom(64, 256, 512).map((length) => randomBytes(length)),
});

const ring = (algorithm: Ring['algorithm']): fc.Arbitrary<Ring> =>
  fc.record({
    id: fc.constant(`${ISSUER}:${algorithm}`),
    issuer: fc.constant(ISSUER),
    algorithm: fc.constant(algorithm),
    purpose: fc.constantFrom('workload_token', 'web_identity_token'),
    retired: fc.boolean(),
    keys: fc.array(key, { maxLength: 12 }),
  });

/** Without members that are undefined, bytes as hex. */
const plain = (rings: readonly Ring[]): unknown =>
  JSON.parse(
    JSON.stringify(rings, (name, value) =>
      name === 'public' ? Buffer.from(value.data ?? value).toString('hex') : value,
    ),
  );

t.test('what is packed comes out as it was', async (t) => {
  fc.assert(
    fc.property(fc.option(ring('ES256')), fc.option(ring('RS256')), (es256, rs256) => {
      const rings = [es256, rs256].filter((found) => found !== null);
      t.same(plain(unpackRings(ISSUER, packRings(rings))), plain(rings));
    }),
    { numRuns: 300 },
  );
  t.throws(
    () => unpackRings(ISSUER, packRings([fc.sample(ring('RS256'), 1)[0] as Ring]).slice(0, -1) || '\x00'),
    RangeError,
  );
});

const sample = (issuer: string, kid: string, algorithm: Ring['algorithm'] = 'ES256'): Ring => ({
  ...{ id: `${issuer}:${algorithm}`, issuer, algorithm, purpose: 'web_identity_token', retired: false },
  keys: [0, 1].map((n) => ({
    kid: createHash('sha256').update(`${kid}${n}`).digest('base64url'),
    ...{ publishedAt: 1_790_000_000_000, bornWithRing: true, public: randomBytes(64) },
    ...(n === 0 ? { seq: 0, signsFrom: 1_790_000_000_000 } : {}),
  })),
});

t.test('an issuer keeps the same array until something about it changes', async (t) => {
  const memory = createRingMemory();
  memory.put(sample('is_1', 'a'));
  memory.put(sample('is_2', 'b'));
  const first = memory.find('is_1');
  t.equal(memory.find('is_1'), first);
  memory.put(sample('is_2', 'c'));
  t.equal(memory.find('is_1'), first);
  memory.put(sample('is_1', 'd', 'RS256'));
  t.same(
    memory.find('is_1')?.map(({ algorithm }) => algorithm),
    ['ES256', 'RS256'],
    'one ring beside the other',
  );
  memory.put(sample('is_1', 'e'));
  t.equal(memory.find('is_1')?.length, 2, 'and each in its own place');
  t.equal(memory.find('is_3'), undefined);
  t.equal([...memory.all()].length, 2);
  const again = sample('is_1', 'f');
  t.equal(memory.put(again), true);
  const kept = memory.find('is_1');
  t.equal(memory.put({ ...again }), false, 'read again, nothing new');
  t.equal(memory.find('is_1'), kept);
});

t.test('a ring of two ES256 keys takes 250 bytes and not many more', async (t) => {
  const packed = packRings([sample(ISSUER, 'a')]);
  t.ok(packed.length <= 250, `${packed.length}`);
});

// An issuer's rings as one string of bytes: what a hundred thousand of them cost in memory is what stands in it.
import type { Ring, RingKey } from './facts.ts';
import { ringId } from './store.ts';

// A string of one-byte characters is the smallest thing that holds bytes here: a typed array costs a hundred bytes more.
// Each ring: kind, count of keys. Each key: flags, kid, published_at, the times that are there, public half.

const ALGORITHMS = ['ES256', 'RS256'] as const;
const PURPOSES = ['workload_token', 'web_identity_token'] as const;
const RETIRED = 4;

/** In the order of their bits, and of their bytes. */
const TIMES = ['signsFrom', 'removedAt', 'destroyedAt', 'revokedAt'] as const;
const BORN_WITH_RING = 1;
const ACTIVATED = 2;
const FIRST_TIME = 4;

const TIME_BYTES = 6;

function packKey(key: RingKey): Buffer[] {
  const times = TIMES.map((name, index) => ({ bit: FIRST_TIME << index, at: key[name] }));
  const flags =
    (key.bornWithRing ? BORN_WITH_RING : 0) |
    (key.seq === undefined ? 0 : ACTIVATED) |
    times.reduce((bits, { bit, at }) => (at === undefined ? bits : bits | bit), 0);
  const fixed = Buffer.alloc(2 + key.kid.length + TIME_BYTES * 5 + 4 + 2);
  let offset = fixed.writeUInt8(flags);
  offset = fixed.writeUInt8(key.kid.length, offset);
  offset += fixed.write(key.kid, offset, 'latin1');
  offset = fixed.writeUIntBE(key.publishedAt, offset, TIME_BYTES);
  if (key.seq !== undefined) offset = fixed.writeUInt32BE(key.seq, offset);
  for (const { at } of times) if (at !== undefined) offset = fixed.writeUIntBE(at, offset, TIME_BYTES);
  offset = fixed.writeUInt16BE(key.public.length, offset);
  return [fixed.subarray(0, offset), Buffer.from(key.public.buffer, key.public.byteOffset, key.public.length)];
}

export function packRings(rings: readonly Ring[]): string {
  const parts = rings.flatMap(({ algorithm, purpose, retired, keys }) => [
    Buffer.from([
      ALGORITHMS.indexOf(algorithm) | (PURPOSES.indexOf(purpose) << 1) | (retired ? RETIRED : 0),
      keys.length,
    ]),
    ...keys.flatMap(packKey),
  ]);
  return Buffer.concat(parts).toString('latin1');
}

/** @throws RangeError where `packed` ends too early */
export function unpackRings(issuer: string, packed: string): Ring[] {
  const bytes = Buffer.from(packed, 'latin1');
  let offset = 0;
  const take = (length: number): number => {
    const at = offset;
    offset += length;
    return at;
  };
  const readTime = (): number => bytes.readUIntBE(take(TIME_BYTES), TIME_BYTES);

  function unpackKey(): RingKey {
    const flags = bytes.readUInt8(take(1));
    const kidLength = bytes.readUInt8(take(1));
    const kidAt = take(kidLength);
    const key: RingKey = {
      kid: bytes.toString('latin1', kidAt, kidAt + kidLength),
      publishedAt: readTime(),
      bornWithRing: (flags & BORN_WITH_RING) !== 0,
      seq: (flags & ACTIVATED) === 0 ? undefined : bytes.readUInt32BE(take(4)),
      public: bytes,
    };
    for (const [index, name] of TIMES.entries()) if (flags & (FIRST_TIME << index)) key[name] = readTime();
    const length = bytes.readUInt16BE(take(2));
    const at = take(length);
    if (offset > bytes.length) throw new RangeError('packed rings end too early');
    key.public = bytes.subarray(at, at + length);
    return key;
  }

  const rings: Ring[] = [];
  while (offset < bytes.length) {
    const kind = bytes.readUInt8(take(1));
    const algorithm = ALGORITHMS[kind & 1] as Ring['algorithm'];
    const purpose = PURPOSES[(kind >> 1) & 1] as Ring['purpose'];
    const count = bytes.readUInt8(take(1));
    const keys = Array.from({ length: count }, unpackKey);
    rings.push({ id: ringId(issuer, algorithm), issuer, algorithm, purpose, retired: (kind & RETIRED) !== 0, keys });
  }
  return rings;
}

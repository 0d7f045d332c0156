// Identifiers: 128 random bits, lower-case base32 (RFC 4648, no padding), prefixed by kind (`cn_` connection, `wl_` workload, …).
import { randomBytes } from 'node:crypto';

export type IdPrefix = 'cn' | 'wl' | 'ad' | 'gr' | 'is' | 'iv' | 'ex' | 'st' | 'rp' | 'ro' | 'tg' | 'ti' | 'wi' | 'pi';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

function base32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      out += ALPHABET[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= 31;
  }
  return bits > 0 ? out + ALPHABET[(value << (5 - bits)) & 31] : out;
}

const BYTES = 16;
/** Random bytes drawn ahead of their use, because a draw costs more than an identifier; each is used once. */
const drawn = { bytes: new Uint8Array(0), next: 0 };

function drawBytes(): Uint8Array {
  if (drawn.next === drawn.bytes.length) {
    drawn.bytes = randomBytes(BYTES * 128);
    drawn.next = 0;
  }
  drawn.next += BYTES;
  return drawn.bytes.subarray(drawn.next - BYTES, drawn.next);
}

/** A new identifier, e.g. `cn_` and 26 characters of `[a-z2-7]`. Never reused. */
export function createId(prefix: IdPrefix): string {
  return `${prefix}_${base32(drawBytes())}`;
}

/**
 * Names of requests, which every answer carries, the cheapest document too: 90 random bits for this process, and a number.
 * @returns a function whose every answer is new, and of the form of an identifier
 */
export function createRequestIds(): () => string {
  const name = Buffer.from(`rq_${base32(randomBytes(12)).slice(0, 18)}${ALPHABET[0]?.repeat(8)}`, 'latin1');
  const digits = new Uint8Array(8);
  return () => {
    // One up, with its carries, written where it stands: a string made of pieces would be put together for each header.
    for (let place = digits.length - 1; place >= 0; place -= 1) {
      const digit = ((digits[place] as number) + 1) & 31;
      digits[place] = digit;
      name[21 + place] = ALPHABET.charCodeAt(digit);
      if (digit !== 0) break;
    }
    return name.toString('latin1');
  };
}

/** A new name for a request, e.g. `rq_` and 26 characters of `[a-z2-7]`. */
export const createRequestId = createRequestIds();

/** The pattern of an identifier of this kind, as JSON Schema and CloudFormation both take it. */
export function idPattern(prefix: IdPrefix): string {
  return `^${prefix}_[a-z2-7]{26}$`;
}

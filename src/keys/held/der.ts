// ECDSA signatures from another system: DER read strictly, so that one signature has one form.

const COORDINATE = 32;
/** The order of P-256: r and s are from 1 to one less. */
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');

/** One INTEGER, as short as it can be, positive and below the order. @returns it in 32 bytes, and where the next begins */
function readInteger(der: Buffer, at: number): { value: Buffer; end: number } {
  const length = der[at + 1] ?? 0;
  const bytes = der.subarray(at + 2, at + 2 + length);
  const [first = 0x80, second = 0x80] = bytes;
  const isShortest = first !== 0 || second >= 0x80;
  if (der[at] !== 2 || length > COORDINATE + 1 || bytes.length !== length || first >= 0x80 || !isShortest)
    throw new Error('not an ECDSA signature in DER');
  const digits = first === 0 ? bytes.subarray(1) : bytes;
  const value = Buffer.alloc(COORDINATE);
  if (digits.length > COORDINATE) throw new Error('not an ECDSA signature in DER');
  value.set(digits, COORDINATE - digits.length);
  if (value.equals(Buffer.alloc(COORDINATE)) || value.compare(ORDER) >= 0)
    throw new Error('an ECDSA signature out of bounds');
  return { value, end: at + 2 + length };
}

/** A P-256 signature as JWS wants it: r and s, 32 bytes each. @throws Error for whatever is not exactly one in DER */
export function readDerSignature(der: Buffer): Buffer {
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 72) throw new Error('not an ECDSA signature in DER');
  const r = readInteger(der, 2);
  const s = readInteger(der, r.end);
  if (s.end !== der.length) throw new Error('not an ECDSA signature in DER');
  return Buffer.concat([r.value, s.value]);
}

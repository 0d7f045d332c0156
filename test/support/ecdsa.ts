// ECDSA over P-256 of a digest that is given: Node signs only what it has hashed by itself. For stand-ins alone.
import { createECDH, type KeyObject, randomBytes } from 'node:crypto';

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const mod = (value: bigint): bigint => ((value % N) + N) % N;

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

/** An INTEGER of DER: as short as it can be, and positive. */
export function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const body = (bytes[0] as number) & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
  return Buffer.concat([Buffer.of(2, body.length), body]);
}

/** @returns a signature in DER */
export function signDigest(key: KeyObject, digest: Uint8Array): Buffer {
  const d = toNumber(Buffer.from(key.export({ format: 'jwk' }).d as string, 'base64url'));
  const nonce = randomBytes(32);
  const k = mod(toNumber(nonce));
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(Buffer.from(k.toString(16).padStart(64, '0'), 'hex'));
  const r = mod(toNumber(curve.getPublicKey().subarray(1, 33)));
  const s = mod(power(k, N - 2n) * (toNumber(digest) + r * d));
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

// The two algorithms that sign: generation, the compact public form, JWKs, thumbprints, signatures.
import { createHash, createPublicKey, generateKeyPair, type KeyObject, sign as cryptoSign } from 'node:crypto';
import { promisify } from 'node:util';

export type Algorithm = 'ES256' | 'RS256';

/** Those that others may sign with: asymmetric, each bound to a kind of key (RFC 7518, section 3.1). */
export const SIGNATURE_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512'] as const),
] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** A public JWK as we publish it: never `key_ops`, `ext` or `x5c`, which make AWS refuse a key. */
export type PublicJwk = { kty: 'EC'; crv: 'P-256'; x: string; y: string } | { kty: 'RSA'; n: string; e: string };

export interface PublishedJwk {
  kid: string;
  use: 'sig';
  alg: Algorithm;
  [member: string]: string;
}

const generate = promisify(generateKeyPair);
const RSA_EXPONENT = 'AQAB';

/** Generates off the main thread. */
export async function generatePrivateKey(algorithm: Algorithm): Promise<KeyObject> {
  const pair =
    algorithm === 'ES256'
      ? await generate('ec', { namedCurve: 'P-256' })
      : await generate('rsa', { modulusLength: 2048, publicExponent: 65537 });
  return pair.privateKey;
}

/** ES256: the point's x and y, 64 bytes. RS256: the modulus; the exponent is 65537. */
export function publicBytes(key: KeyObject): Buffer {
  const jwk = (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'jwk' });
  if (jwk.kty === 'EC')
    return Buffer.concat([Buffer.from(jwk.x as string, 'base64url'), Buffer.from(jwk.y as string, 'base64url')]);
  return Buffer.from(jwk.n as string, 'base64url');
}

export function publicJwk(algorithm: Algorithm, bytes: Uint8Array): PublicJwk {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (algorithm === 'RS256') return { kty: 'RSA', n: buffer.toString('base64url'), e: RSA_EXPONENT };
  return { kty: 'EC', crv: 'P-256', x: buffer.toString('base64url', 0, 32), y: buffer.toString('base64url', 32, 64) };
}

/** RFC 7638: SHA-256 of the required members in lexical order, base64url. */
export function thumbprint(jwk: PublicJwk): string {
  const members =
    jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

export function publishedJwk(algorithm: Algorithm, kid: string, bytes: Uint8Array): PublishedJwk {
  return { ...publicJwk(algorithm, bytes), kid, use: 'sig', alg: algorithm };
}

const COORDINATE = 32;

/** r and s of a P-256 signature in DER (SEQUENCE of two INTEGERs), as JWS wants them: 32 bytes each, big-endian. */
export function toJwsSignature(der: Uint8Array): Buffer {
  const raw = Buffer.alloc(2 * COORDINATE);
  let offset = 2;
  for (const end of [COORDINATE, 2 * COORDINATE]) {
    const length = der[offset + 1] as number;
    const integer = der.subarray(offset + 2, offset + 2 + length);
    // A leading zero keeps an INTEGER positive; leading zeros of the coordinate are left out.
    raw.set(integer.subarray(Math.max(0, length - COORDINATE)), end - Math.min(length, COORDINATE));
    offset += 2 + length;
  }
  return raw;
}

/**
 * A JWS signature (RFC 7518). Off the main thread, which a busy process has less of than cores; and asked for in DER,
 * because Node looks the curve up for each signature in any other form (measured: 67 against 27 µs).
 */
export function signData(algorithm: Algorithm, key: KeyObject, data: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    cryptoSign('sha256', data, key, (error, signature) => {
      if (error) reject(error);
      else resolve(algorithm === 'ES256' ? toJwsSignature(signature) : signature);
    });
  });
}

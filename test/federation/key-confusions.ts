// Keys and signatures that could be taken for others, and which are: to read, and to run.

export const KEYS = { rsa: 'RS256', other: 'RS256', p256: 'ES256', p384: 'ES384' } as const;
export type KeyName = keyof typeof KEYS;

export interface Confusion {
  /** What its JWKS holds: the public half of `of` under the kid `a`, unless other members say otherwise; undefined leaves out. */
  keys: readonly unknown[];
  /** Who signs: one of the keys, HMAC with what everybody can read, the holder of `secret`, or nobody. */
  by: KeyName | 'hmac of its PEM' | 'hmac of its JWK' | 'hmac of its modulus' | { secret: string } | 'nobody';
  /** Of the header; `a` is its kid unless given. */
  alg: string;
  kid?: string;
  /** Why it is refused; undefined where it is taken. */
  why?: RegExp;
}

const RSA = { of: 'rsa' };
const SECRET = 'c2VjcmV0IG9mIGEgc3RhbmQtaW4gaXNzdWVyLCBwdWJsaXNoZWQ';
/** Of a key that is not there, not sound, or another's. */
const UNPROVED = /not trusted here, or did not sign it/;
const ALG = /its alg is none/;

export const CONFUSIONS: Record<string, Confusion> = {
  'its key': { keys: [RSA], by: 'rsa', alg: 'RS256' },
  'its key without a use': { keys: [{ ...RSA, use: undefined }], by: 'rsa', alg: 'RS256' },
  'its key that names no algorithm': { keys: [{ ...RSA, alg: undefined }], by: 'rsa', alg: 'PS256' },
  'its key beside something of its kid': {
    keys: [null, 7, 'x', [], {}, { kid: 'a' }, RSA],
    by: 'rsa',
    alg: 'RS256',
    why: UNPROVED,
  },
  'its key beside what is none': { keys: [null, 7, 'x', [], {}, RSA], by: 'rsa', alg: 'RS256' },
  'its key beside others': { keys: [{ of: 'p256', kid: 'b' }, RSA, { of: 'p384', kid: 'c' }], by: 'rsa', alg: 'RS256' },
  // Two of one name.
  'two keys of one kid, by the first': { keys: [RSA, { of: 'other' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'two keys of one kid, by the second': { keys: [RSA, { of: 'other' }], by: 'other', alg: 'RS256', why: UNPROVED },
  'two kinds of one kid': { keys: [RSA, { of: 'p256' }], by: 'p256', alg: 'ES256', why: UNPROVED },
  'three keys of one kid': { keys: [RSA, { of: 'other' }, RSA], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'one key twice': { keys: [RSA, RSA], by: 'rsa', alg: 'RS256', why: UNPROVED },
  // Another's.
  'a key of that kid that it has not': { keys: [RSA], by: 'other', alg: 'RS256', why: UNPROVED },
  'its other key': { keys: [RSA, { of: 'other', kid: 'b' }], by: 'other', alg: 'RS256', why: UNPROVED },
  'a key of another kind': { keys: [RSA], by: 'p256', alg: 'ES256', why: UNPROVED },
  'a key of another curve': { keys: [{ of: 'p384' }], by: 'p256', alg: 'ES256', why: UNPROVED },
  'a kid that it has not': { keys: [RSA], by: 'rsa', alg: 'RS256', kid: 'b', why: UNPROVED },
  'a kid that every object has': { keys: [RSA], by: 'rsa', alg: 'RS256', kid: 'constructor', why: UNPROVED },
  'a kid in capitals': { keys: [RSA], by: 'rsa', alg: 'RS256', kid: 'A', why: UNPROVED },
  // An algorithm that is not the key's.
  'PS256 by a key for RS256': { keys: [RSA], by: 'rsa', alg: 'PS256', why: UNPROVED },
  'RS256 by a key for PS256': { keys: [{ ...RSA, alg: 'PS256' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'RS256 by a key for encryption': { keys: [{ ...RSA, alg: 'RSA-OAEP' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'RS256 by a key that says ES256': { keys: [{ ...RSA, alg: 'ES256' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'ES256 by a key that says ES384': { keys: [{ of: 'p256', alg: 'ES384' }], by: 'p256', alg: 'ES256', why: UNPROVED },
  'algorithms as a list': { keys: [{ ...RSA, alg: ['RS256'] }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'an algorithm in small letters': { keys: [{ ...RSA, alg: 'rs256' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  // What everybody can read as a secret.
  'HMAC by its PEM': { keys: [RSA], by: 'hmac of its PEM', alg: 'HS256', why: ALG },
  'HMAC by its JWK': { keys: [RSA], by: 'hmac of its JWK', alg: 'HS256', why: ALG },
  'HMAC by its modulus': { keys: [RSA], by: 'hmac of its modulus', alg: 'HS256', why: ALG },
  'HMAC by its PEM, said to be RS256': { keys: [RSA], by: 'hmac of its PEM', alg: 'RS256', why: UNPROVED },
  'a published secret': {
    keys: [{ kty: 'oct', kid: 'a', k: SECRET, alg: 'HS256' }],
    by: { secret: SECRET },
    alg: 'HS256',
    why: ALG,
  },
  'a published secret for RS256': {
    keys: [{ kty: 'oct', kid: 'a', k: SECRET, alg: 'RS256' }],
    by: { secret: SECRET },
    alg: 'RS256',
    why: UNPROVED,
  },
  'a key and a secret in one': { keys: [{ ...RSA, k: SECRET }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  // No signature.
  none: { keys: [RSA], by: 'nobody', alg: 'none', why: ALG },
  'none, by another spelling': { keys: [RSA], by: 'nobody', alg: 'NONE', why: ALG },
  'nothing, said to be RS256': { keys: [RSA], by: 'nobody', alg: 'RS256', why: UNPROVED },
  'nothing, said to be ES256': { keys: [{ of: 'p256' }], by: 'nobody', alg: 'ES256', why: UNPROVED },
  // Wrong types, and what is no key for signatures.
  'a key without a kid': { keys: [{ ...RSA, kid: undefined }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a kid that is a number': { keys: [{ ...RSA, kid: 7 }], by: 'rsa', alg: 'RS256', kid: '7', why: UNPROVED },
  'a use as a list': { keys: [{ ...RSA, use: ['sig'] }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a key for encryption': { keys: [{ ...RSA, use: 'enc' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a key of a kind in small letters': { keys: [{ ...RSA, kty: 'rsa' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a key of no kind': { keys: [{ ...RSA, kty: undefined }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a modulus as a list': { keys: [{ ...RSA, n: [] }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'an exponent of one': { keys: [{ ...RSA, e: 'AQ' }], by: 'rsa', alg: 'RS256', why: UNPROVED },
  'a point that is not on its curve': { keys: [{ of: 'p256', y: 'AAAA' }], by: 'p256', alg: 'ES256', why: UNPROVED },
  'keys within a key': { keys: [{ keys: [RSA] }], by: 'rsa', alg: 'RS256', why: UNPROVED },
};

// The client assertion of private_key_jwt (RFC 7523): who this client is, signed with its own key, for the issuer alone.
import { createPublicKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { algorithmOf, publicJwk, thumbprint } from './jwk.ts';

/** Seconds. The service accepts up to 300; a minute is enough for one request. */
const LIFE = 60;

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** @param now milliseconds since the epoch. @returns a compact JWS. @throws Failure for a key of another kind. */
export function buildAssertion(key: KeyObject, clientId: string, issuer: string, now: number): string {
  const alg = algorithmOf(key);
  const iat = Math.floor(now / 1000);
  const header = { alg, typ: 'JWT', kid: thumbprint(publicJwk(createPublicKey(key))) };
  const claims = { iss: clientId, sub: clientId, aud: issuer, iat, exp: iat + LIFE, jti: randomUUID() };
  const input = `${encode(header)}.${encode(claims)}`;
  // JWS wants r and s side by side, not DER (RFC 7518 section 3.4).
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

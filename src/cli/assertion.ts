// The client assertion of private_key_jwt (RFC 7523): who this client is, signed with its own key, for the issuer alone.
import { createPublicKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { algorithmOf, publicJwk, thumbprint } from './jwk.ts';

/** Seconds, both ways: this clock may be that much off. The service takes an end of up to 300 s ahead, and no beginning that is. */
const CLOCK_ERROR = 120;

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** @param now milliseconds since the epoch. @returns a compact JWS. @throws Failure for a key of another kind. */
export function buildAssertion(key: KeyObject, clientId: string, issuer: string, now: number): string {
  const alg = algorithmOf(key);
  const seconds = Math.floor(now / 1000);
  const header = { alg, typ: 'JWT', kid: thumbprint(publicJwk(createPublicKey(key))) };
  const claims = { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID() };
  const times = { iat: seconds - CLOCK_ERROR, exp: seconds + CLOCK_ERROR };
  const input = `${encode(header)}.${encode({ ...claims, ...times })}`;
  // JWS wants r and s side by side, not DER (RFC 7518 section 3.4).
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

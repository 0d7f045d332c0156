// Which public keys a client may prove itself with: EC P-256 or RSA of 2048 to 4096 bits, in their one canonical form.
import { createPublicKey } from 'node:crypto';
import { Problem } from '../errors.ts';
import { type Algorithm, type PublicJwk, thumbprint } from '../keys/algorithms.ts';
import { PRIVATE_MEMBERS } from '../reach/documents.ts';
import type { JwkInput } from './schema.ts';

export interface ParsedKey {
  kid: string;
  alg: Algorithm;
  jwk: PublicJwk;
}

function refuse(detail: string, hint: string): Problem {
  return new Problem('invalid_key', detail, { hint });
}

/**
 * Looks at a body before its schema does, so that a private key is named as one, and not as an unknown member.
 * @throws Problem `invalid_key`
 */
export function refusePrivateMembers(jwk: unknown): void {
  if (typeof jwk !== 'object' || jwk === null) return;
  const found = PRIVATE_MEMBERS.filter((member) => Object.hasOwn(jwk, member));
  if (found.length === 0) return;
  throw refuse(
    `This JWK holds private members: ${found.join(', ')}.`,
    'Send the public half alone. This key has left its owner now: make a new one.',
  );
}

/** The same for every key of the body of a new client. */
export function refusePrivateMembersOf(body: unknown): void {
  const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
  if (Array.isArray(keys)) for (const jwk of keys) refusePrivateMembers(jwk);
}

/** Base64url in canonical form (RFC 4648 section 3.5): another spelling of one key would have another thumbprint. */
function decode(member: string, value: string | undefined): Buffer {
  const bytes = Buffer.from(value ?? '', 'base64url');
  if (value === undefined || bytes.length === 0 || bytes.toString('base64url') !== value) {
    throw refuse(
      `The member "${member}" of this JWK is missing or is not canonical base64url.`,
      'Export the key as a JWK again.',
    );
  }
  return bytes;
}

function readEc(input: JwkInput): PublicJwk {
  const { x = '', y = '' } = input;
  if (input.crv !== 'P-256' || decode('x', x).length !== 32 || decode('y', y).length !== 32) {
    throw refuse('An EC key must be on P-256, with x and y of 32 bytes.', 'Make one with crv P-256.');
  }
  return { kty: 'EC', crv: 'P-256', x, y };
}

function readRsa(input: JwkInput): PublicJwk {
  const { n = '', e = '' } = input;
  const modulus = decode('n', n);
  const bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24;
  // RFC 7518 section 6.3.1.1: no leading zero octet; an even modulus is not a product of two odd primes.
  if (modulus[0] === 0 || ((modulus.at(-1) as number) & 1) === 0 || bits < 2048 || bits > 4096) {
    throw refuse(
      'An RSA key must have a modulus of 2048 to 4096 bits.',
      'Make an RSA key of 2048 bits, or an EC key on P-256.',
    );
  }
  // Exponents such as 1 and 3 let signatures be forged.
  if (e !== 'AQAB')
    throw refuse('An RSA key must have the public exponent 65537 (e = "AQAB").', 'Make a key with the usual exponent.');
  return { kty: 'RSA', n, e };
}

/**
 * The required members alone, and the thumbprint as kid: what else was sent is dropped.
 * @throws Problem `invalid_key`
 */
export function parsePublicJwk(input: JwkInput): ParsedKey {
  refusePrivateMembers(input);
  const { kty, alg: claimed } = input;
  const foreign = (kty === 'EC' ? (['n', 'e'] as const) : (['crv', 'x', 'y'] as const)).filter(
    (member) => member in input,
  );
  if (foreign.length > 0)
    throw refuse(`A key of kty ${kty} has no member "${foreign[0]}".`, 'Export the key as a JWK again.');
  const alg = kty === 'EC' ? 'ES256' : 'RS256';
  if (claimed !== undefined && claimed !== alg)
    throw refuse(`A key of kty ${kty} signs with ${alg}, not ${claimed}.`, `Send alg ${alg}, or none.`);
  const jwk = kty === 'EC' ? readEc(input) : readRsa(input);
  try {
    createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw refuse('This is not a public key: its point is not on the curve.', 'Export the key as a JWK again.');
  }
  return { kid: thumbprint(jwk), alg, jwk };
}

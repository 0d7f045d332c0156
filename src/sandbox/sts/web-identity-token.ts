// The compact form of a web identity token: three parts, strict JSON, an algorithm that AWS takes, and a signature.
import { compactVerify, importJWK } from 'jose';
import { parseStrictJson } from '../../json.ts';
import { invalidIdentityToken } from '../wire/error.ts';
import type { World } from '../world.ts';
import { ALGORITHMS, findKey } from './jwks.ts';

export interface WebIdentityToken {
  compact: string;
  alg: string;
  kid: string;
  claims: Readonly<Record<string, unknown>>;
}

function notAToken(): Error {
  return invalidIdentityToken(
    'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
  );
}

function parsePart(part: string): Record<string, unknown> {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw notAToken();
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw notAToken();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notAToken();
  return value as Record<string, unknown>;
}

/** Reads without trusting. @throws AwsError InvalidIdentityToken */
export function readToken(compact: string): WebIdentityToken {
  const [head, body, signature, ...more] = compact.split('.');
  if (!head || !body || !signature || more.length > 0) throw notAToken();
  const header = parsePart(head);
  const claims = parsePart(body);
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) {
    throw invalidIdentityToken("The token's signing algorithm is not supported.");
  }
  if (typeof kid !== 'string' || kid === '') throw invalidIdentityToken('The token does not name its key (kid).');
  if ('crit' in header) throw notAToken();
  return { compact, alg, kid, claims };
}

/** @throws AwsError InvalidIdentityToken */
export async function verifyToken(world: World, issuer: string, token: WebIdentityToken): Promise<void> {
  const jwk = await findKey(world, issuer, token.kid, token.alg);
  try {
    await compactVerify(token.compact, await importJWK(jwk as never, token.alg), { algorithms: [token.alg] });
  } catch {
    throw invalidIdentityToken('The token signature is invalid.');
  }
}

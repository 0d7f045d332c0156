// The strict check of a JWS in compact form (RFC 7515), before any cryptography looks at it.
import { JsonError, parseStrictJson } from '../json.ts';

export class MalformedToken extends Error {
  override name = 'MalformedToken';
}

export interface Compact {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
}

/** Header parameters that bring keys, fetch them, or change what the rest means. */
const REFUSED = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'crit', 'b64', 'enc', 'zip', 'cty'];

// Stateless while it is not streaming; making one costs as much as all the rest of this file.
const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodePart(part: string, name: string): Record<string, unknown> {
  const bytes = Buffer.from(part, 'base64url');
  // Canonical base64url alone: otherwise one token has many spellings.
  if (bytes.toString('base64url') !== part) throw new MalformedToken(`its ${name} is not canonical base64url`);
  let value: unknown;
  try {
    value = parseStrictJson(utf8.decode(bytes));
  } catch (error) {
    throw new MalformedToken(
      `its ${name} is not JSON as it should be${error instanceof JsonError ? `: ${error.message}` : ''}`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedToken(`its ${name} is not an object`);
  return value as Record<string, unknown>;
}

/**
 * Size, alphabet, three parts, canonical base64url, no duplicate members, no header that names or fetches keys.
 * @throws MalformedToken with a clause that names the fault and shows nothing of the token.
 */
export function parseCompact(token: string, maxLength = 8192): Compact {
  if (token.length > maxLength) throw new MalformedToken(`it is longer than ${maxLength} characters`);
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token))
    throw new MalformedToken('it is not three base64url parts');
  const [header, payload, signature] = token.split('.') as [string, string, string];
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) {
    throw new MalformedToken('its signature is not canonical base64url');
  }
  const compact = { header: decodePart(header, 'header'), payload: decodePart(payload, 'payload') };
  for (const name of REFUSED) {
    if (Object.hasOwn(compact.header, name)) throw new MalformedToken(`its header has ${name}, which is not accepted`);
  }
  return compact;
}

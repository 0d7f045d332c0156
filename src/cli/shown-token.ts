// What a token that this command shows says of itself; whoever it is shown to verifies it.
import { Failure } from './failure.ts';
import { readText } from './options.ts';

function partOf(token: string, at: 0 | 1): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const claimsOf = (token: string): Record<string, unknown> | undefined => partOf(token, 1);

/** Bytes of a signature by each curve's algorithm. */
const SIGNATURES: Record<string, number> = { ES256: 64, ES384: 96 };

/** Whether it is all of a compact JWS, as far as it says itself: of RSA a signature is as long as the key, 2048 bits at least. */
function isWhole(token: string): boolean {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) || claimsOf(token) === undefined) return false;
  const alg = String(partOf(token, 0)?.['alg']);
  const { length } = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
  if (alg === 'RS256') return length >= 256 && length % 32 === 0;
  return length === (SIGNATURES[alg] ?? length);
}

/**
 * A platform's token, read anew: platforms renew it.
 * @throws Failure `file_unreadable`, also while what is there is not all of a token: it is being written, and says of nobody who asks
 */
export function readShown(token: { file: string } | { text: string }): string {
  if ('text' in token) return token.text.trim();
  const text = readText(token.file).trim();
  if (isWhole(text)) return text;
  throw new Failure('file_unreadable', `${token.file} does not hold a whole token now.`, {
    hint: 'Write it beside, and rename it into place: mv token.new token.',
  });
}

/** What is another in each token of one bearer; the last three are of Microsoft Entra ID. */
const OF_ONE_TOKEN = new Set(['exp', 'iat', 'nbf', 'jti', 'uti', 'aio', 'rh']);

/** Of whom it is: all that it says but of itself; of what is no JWT, itself. */
export function bearerOf(token: string): unknown {
  const claims = claimsOf(token);
  return claims ? Object.entries(claims).filter(([name]) => !OF_ONE_TOKEN.has(name)) : token;
}

/** When it ends, milliseconds since the epoch; undefined where it does not say. */
export function endOf(token: string): number | undefined {
  const exp = claimsOf(token)?.['exp'];
  return typeof exp === 'number' ? exp * 1000 : undefined;
}

// The random bearer that callers on this machine show, and how it is compared.
import { createHash, timingSafeEqual } from 'node:crypto';

const SCHEME = 'Bearer ';

/** @param random 32 bytes */
export function createBearer(random: Buffer): string {
  return random.toString('base64url');
}

/** As the token file holds it: SDKs send it verbatim. */
export function bearerLine(bearer: string): string {
  return `${SCHEME}${bearer}`;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether an Authorization header is this bearer, with or without the scheme; in constant time. */
export function createIsBearer(bearer: string): (header: string | undefined) => boolean {
  const expected = digest(bearer);
  return (header = '') => {
    const shown = header.slice(0, SCHEME.length).toLowerCase() === 'bearer ' ? header.slice(SCHEME.length) : header;
    return timingSafeEqual(digest(shown.trim()), expected);
  };
}

// What a token that this command shows says of itself; whoever it is shown to verifies it.

function claimsOf(token: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
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

// What a token that this command shows says of itself; whoever it is shown to verifies it.

function claimsOf(token: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Of whom it is: all but when it was made and until when it lives; of what is no JWT, itself. */
export function bearerOf(token: string): unknown {
  const claims = claimsOf(token);
  return claims ? Object.entries(claims).filter(([name]) => !['exp', 'iat', 'nbf', 'jti'].includes(name)) : token;
}

/** When it ends, milliseconds since the epoch; undefined where it does not say. */
export function endOf(token: string): number | undefined {
  const exp = claimsOf(token)?.['exp'];
  return typeof exp === 'number' ? exp * 1000 : undefined;
}

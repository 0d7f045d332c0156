// An ID token (OpenID Connect Core, section 2) as the proof of a person: of a sign-in by our own command, and no other token.
import type { Login } from '../db/federation-types.ts';
import { ProofRefused } from './refused.ts';
import type { TrustedIssuer } from './store.ts';

interface SignInToken {
  typ: unknown;
  audience: string;
  payload: Record<string, unknown>;
}

/** What some issuers write into the claims of an ID token, and another word into those of their access tokens. */
const SAID_OF_ID_TOKENS: Record<string, string> = { typ: 'ID', token_use: 'id' };
/** What no ID token has, of tokens whose `typ` may be that of any JWT: logout tokens, and access tokens of Entra and Okta. */
const OF_OTHER_TOKENS = ['events', 'scp'];

/**
 * How people sign in at this issuer; undefined where nobody does. Not by settings that were left behind when the rest
 * changed: whoever did that was not asked whether he may be each of these people.
 */
export function loginOf({ login, login_version, version }: TrustedIssuer): Login | undefined {
  return login && login_version === version ? login : undefined;
}

/**
 * Whether it says that somebody signed in by the client that people sign in here with.
 * @throws ProofRefused
 */
export function requireSignIn({ typ, audience, payload }: SignInToken, issuer: TrustedIssuer): void {
  const login = loginOf(issuer);
  if (!login) throw new ProofRefused('nobody signs in here through its issuer');
  if (audience !== login.client_id)
    throw new ProofRefused('it was given to another client (aud) than the one that people sign in here with');
  const { azp } = payload;
  if (azp !== undefined && azp !== login.client_id)
    throw new ProofRefused('it was asked for by another client (azp) than the one that people sign in here with');
  const saysOtherwise = Object.entries(SAID_OF_ID_TOKENS).some(
    ([name, word]) => payload[name] !== undefined && payload[name] !== word,
  );
  const isOther = OF_OTHER_TOKENS.some((name) => payload[name] !== undefined);
  if ((typ !== undefined && typ !== 'JWT') || saysOtherwise || isOther)
    throw new ProofRefused('it is no ID token, but a token of another kind');
}

const LONGEST_NAME = 100;
/** Some issuers write it as text. Who may write any address is not called by it. */
const NOT_DOUBTED = new Set<unknown>([undefined, true, 'true']);

/** What people call whoever it is: for reading alone, since it can be changed and given to others. One line, no tricks. */
export function readableName(payload: Record<string, unknown>): string | undefined {
  const { email, email_verified, preferred_username } = payload;
  return [NOT_DOUBTED.has(email_verified) ? email : undefined, preferred_username].find(
    (name): name is string =>
      typeof name === 'string' && name.length <= LONGEST_NAME && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(name),
  );
}

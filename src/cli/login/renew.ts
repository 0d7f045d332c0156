// The sign-in that is shown: as it was kept, or renewed where it is about to end and its issuer gave a refresh token.
import { Failure } from '../failure.ts';
import type { Outside } from '../outside.ts';
import { alone, keepSignIn, readSignIn, type SignIn } from './kept.ts';

/** One that ends sooner is renewed first: what is given for it ends with it. */
const SPARE_MS = 60_000;
/** One that ends sooner would be over when it arrives. */
const LAST_MS = 2_000;

function over({ name, expires_at }: SignIn, why?: Failure): Failure {
  const detail = why ? `: ${why.message}` : `, on ${new Date(expires_at).toISOString()}.`;
  return new Failure('sign_in_over', `The sign-in at ${name} has ended${detail}`, {
    hint: 'Sign in again: countersign login.',
    cause: why,
  });
}

/** @throws Failure `sign_in_over`, or what kept its issuer from renewing it */
export async function currentSignIn(outside: Outside, kept: SignIn): Promise<SignIn> {
  const left = ({ expires_at }: SignIn): number => expires_at - outside.now();
  if (left(kept) > SPARE_MS) return kept;
  if (kept.refresh_token === undefined) {
    if (left(kept) > LAST_MS) return kept;
    throw over(kept);
  }
  const { renew } = await import('./company.ts');
  // A refresh token is good once: two that use it at the same time look like a thief to the issuer.
  return await alone(outside, kept.url, async () => {
    const now = readSignIn(outside.env, kept.url);
    if (!now?.refresh_token) throw over(now ?? kept);
    if (left(now) > SPARE_MS) return now;
    try {
      const renewed = await renew(now);
      keepSignIn(outside.env, renewed);
      return renewed;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // Refused, and not only unreachable: it will not be taken later either.
      const refused = error.code === 'issuer_refused';
      if (refused) keepSignIn(outside.env, { ...now, refresh_token: undefined });
      if (left(now) > LAST_MS) return now;
      throw refused ? over(now, error) : error;
    }
  });
}

// The sign-in that is shown: as it was kept, or renewed where it is about to end and its issuer gave a refresh token.
import { Failure } from '../failure.ts';
import type { Outside } from '../outside.ts';
import { alone, assertKeepable, keepSignIn, readSignIn, type SignIn } from './kept.ts';

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
  const asItIs = (signIn: SignIn): SignIn => {
    if (left(signIn) > LAST_MS) return signIn;
    throw over(signIn);
  };
  if (left(kept) > SPARE_MS) return kept;
  if (kept.refresh_token === undefined) return asItIs(kept);
  const { isSpent, renew } = await import('./company.ts');
  // A refresh token is good once: two that use it at the same time look like a thief to the issuer.
  return await alone(outside, kept.url, async () => {
    const now = readSignIn(outside.env, kept.url);
    // Who signed out meanwhile is nobody.
    if (!now) throw over(kept);
    if (left(now) > SPARE_MS) return now;
    if (now.refresh_token === undefined) return asItIs(now);
    try {
      // Before the refresh token is spent: what comes for it is all there is then.
      assertKeepable(outside.env, now.url);
      const renewed = await renew(now, (refresh_token) => keepSignIn(outside.env, { ...now, refresh_token }));
      keepSignIn(outside.env, renewed);
      return renewed;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const spent = isSpent(error);
      if (spent) keepSignIn(outside.env, { ...now, refresh_token: undefined });
      if (left(now) > LAST_MS) return now;
      throw spent ? over(now, error) : error;
    }
  });
}

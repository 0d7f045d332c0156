// A bearer token is one request of whose it is, whatever it is shown for.
import type { Limits } from '../http/rates.ts';
import { type VerifyWorkloadToken, WrongAudience } from './verify.ts';

/** @throws RateLimited with its bearer, beside what `verify` throws */
export function countBearers(verify: VerifyWorkloadToken, limits: Pick<Limits, 'count'>): VerifyWorkloadToken {
  return async (token, accepts, resource) => {
    try {
      const verified = await verify(token, accepts, resource);
      limits.count(verified.subject);
      return verified;
    } catch (error) {
      if (error instanceof WrongAudience) limits.count(error.bearer);
      throw error;
    }
  };
}

/** Whether a refused request of the API had no bearer that anybody knows. */
export function isStranger(error: unknown): boolean {
  return (error as { status?: unknown }).status === 401 && bearerOf(error) === undefined;
}

/** Whose refused request it was, where its token said so and nothing else does. */
export function bearerOf(error: unknown): string | undefined {
  return error instanceof WrongAudience ? error.bearer : (error as { bearer?: string }).bearer;
}

// Token requests counted, by what their callers hear.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Count } from '../metrics/count.ts';

export type TokenCount = Pick<Count, 'token' | 'refusal' | 'failure'>;

/** A refusal, of nobody known unless said otherwise, or a failure, before oidc-provider saw the request. */
export function countFault(
  count: TokenCount,
  { status, error }: { status: number; error: string },
  known = false,
): void {
  if (status >= 500) {
    count.token('unavailable');
    count.failure(status === 503 ? 'unavailable' : 'internal');
    return;
  }
  count.token(known ? 'refused' : 'stranger');
  count.refusal(known ? 'known' : 'stranger', error);
}

type Middleware = (ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>;

/** Around `record`, which decides what is answered. */
export function countAnswers(record: Middleware, count: TokenCount): Middleware {
  return async (ctx, next) => {
    await record(ctx, next);
    if (ctx.status === 200) return count.token('minted');
    const { error = 'other' } = ctx.body as { error?: string };
    if (ctx.status >= 500) return countFault(count, { status: ctx.status, error });
    count.token('refused');
    count.refusal('known', error);
  };
}

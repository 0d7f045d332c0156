// Who asks, as what is kept of the answers hangs on it.
import type { Call } from './call.ts';
import { toFailure } from './failure.ts';
import { bearerOf, readShown } from './shown-token.ts';
import { sourceOf } from './source.ts';

/** Who asks. One file may hold the token of another workload a moment later, so what it says counts, not where it is. */
export function whoAsks({ outside, options }: Call<unknown>): unknown {
  const source = sourceOf(outside.env, options);
  if (source.kind === 'person') return [source.url, source.signIn.issuer, source.signIn.subject, source.as];
  if (source.kind !== 'platform') return source;
  return [source.url, bearerOf(readShown(source.token))];
}

/** The same, each time that it is asked for, in a process that goes on while others sign in and out. */
export function watchWhoAsks(call: Call<unknown>): () => string {
  let last = '';
  return () => {
    try {
      last = JSON.stringify(whoAsks(call));
    } catch (error) {
      // Signed out is nobody. What cannot be read now says of nobody else that he asks.
      if (toFailure(error).code === 'usage') last = '';
    }
    return last;
  };
}

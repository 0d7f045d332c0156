// A way to a broken promise, for people.
import type { Searched } from './search.ts';

/** One line a step, and the time where it passed. */
export function tell({ invariant, trace }: NonNullable<Searched['broken']>): string {
  let now = 0;
  const lines = trace.flatMap((text) => {
    if (text !== 'a unit of time passes') return [`  ${now}: ${text}`];
    now += 1;
    return [];
  });
  return [`at ${now}, ${invariant}`, ...lines].join('\n');
}

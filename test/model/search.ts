// Breadth-first search over every state that a protocol can reach: each looked at once, the shortest way to a fault first.

export interface Step<S> {
  /** For people: who does what. */
  text: string;
  state: S;
}

export interface Protocol<S> {
  initial: S;
  /** Whatever may happen next. */
  steps(state: S): Step<S>[];
  /** What does not hold in a state; undefined where all does. */
  broken(state: S): string | undefined;
  /** The same for states that behave alike from here on. */
  name(state: S): string;
}

export interface Searched {
  states: number;
  steps: number;
  /** The longest of the shortest ways. */
  depth: number;
  /** False where `most` or `until` ended it: beyond what was looked at nothing is known. */
  whole: boolean;
  /** The first invariant that did not hold, and the way there. */
  broken?: { invariant: string; trace: string[] };
}

/** Looks until everything is seen, an invariant breaks, `most` states were looked at, or the process is `until` milliseconds old. */
export function search<S>({ initial, steps, broken, name }: Protocol<S>, most = Infinity, until = Infinity): Searched {
  const seen = new Set([name(initial)]);
  // By the number of a state: the one before it, and what led from there.
  const parents: number[] = [-1];
  const texts: string[] = [''];
  const trace = (from: number): string[] => {
    const way: string[] = [];
    for (let at = from; at > 0; at = parents[at] as number) way.push(texts[at] as string);
    return way.reverse();
  };
  const searched: Searched = { states: 1, steps: 0, depth: 0, whole: true };
  let frontier: [number: number, state: S][] = [[0, initial]];
  const first = broken(initial);
  if (first) return { ...searched, broken: { invariant: first, trace: [] } };
  while (frontier.length > 0) {
    const next: [number, S][] = [];
    for (const [from, state] of frontier) {
      if (until < Infinity && performance.now() > until) return { ...searched, whole: false };
      for (const step of steps(state)) {
        searched.steps += 1;
        const known = name(step.state);
        if (seen.has(known)) continue;
        seen.add(known);
        parents.push(from);
        texts.push(step.text);
        const number = searched.states;
        searched.states += 1;
        const invariant = broken(step.state);
        if (invariant) return { ...searched, broken: { invariant, trace: trace(number) } };
        if (searched.states >= most) return { ...searched, whole: false };
        next.push([number, step.state]);
      }
    }
    frontier = next;
    if (next.length > 0) searched.depth += 1;
  }
  return searched;
}

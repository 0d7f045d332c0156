// The same question, asked by many at once, read once: but never by a read that began before somebody asked.

interface Lane<A> {
  underWay: Promise<A>;
  /** Begins when the one under way has ended, for all who ask meanwhile. */
  next?: Promise<A>;
}

/**
 * Each answer is of a snapshot that is younger than its question, as if everybody had read alone.
 * @param keyOf equal for questions that are the same
 */
export function shareReads<Q, A>(read: (question: Q) => Promise<A>, keyOf: (question: Q) => string) {
  const lanes = new Map<string, Lane<A>>();

  function begin(key: string, question: Q): Promise<A> {
    const lane: Lane<A> = { underWay: read(question) };
    lanes.set(key, lane);
    const over = (): void => void (lane.next === undefined && lanes.delete(key));
    lane.underWay.then(over, over);
    return lane.underWay;
  }

  return (question: Q): Promise<A> => {
    const key = keyOf(question);
    const lane = lanes.get(key);
    if (!lane) return begin(key, question);
    const anew = (): Promise<A> => begin(key, question);
    lane.next ??= lane.underWay.then(anew, anew);
    return lane.next;
  };
}

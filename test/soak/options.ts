// What a soak is told on its command line, and what tests expect of tap where there is none.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Test } from 'tap';

export interface SoakOptions {
  minutes: number;
  seed: number;
}

/** `--minutes N` (1 unless given) and `--seed N` (another each time unless given). */
export function readOptions(args = process.argv.slice(2)): SoakOptions {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
  const read = (name: 'minutes' | 'seed', fallback: number): number => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
    return value;
  };
  return { minutes: read('minutes', 1), seed: read('seed', randomInt(1, 2 ** 31 - 2_000_000)) };
}

/** Runs `work` with what fixtures ask of a test, a teardown, and tears down afterwards, newest first. */
export async function withTeardown<T>(work: (t: Test) => Promise<T>): Promise<T> {
  const teardowns: (() => unknown)[] = [];
  const t = { teardown: (teardown: () => unknown) => void teardowns.push(teardown) };
  try {
    return await work(t as unknown as Test);
  } finally {
    for (const teardown of teardowns.reverse()) await teardown();
  }
}

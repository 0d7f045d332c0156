// What AWS refused for good, by what was asked for: said again for some seconds, and not asked for.
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';

export interface Refusals {
  /** @throws what AWS said of this key, while it is remembered */
  repeat(key: string): void;
  /** @param until monotonic */
  remember(key: string, error: unknown, until: number): void;
  forget(key: string): void;
  /** Forgets those that are over. */
  sweep(): void;
  readonly size: number;
}

const MOST = 10_000;

export function createRefusals(clock: Pick<Clock, 'monotonic'>): Refusals {
  const refusals = new LRUCache<string, { error: unknown; until: number }>({ max: MOST });
  const isOver = ({ until }: { until: number }): boolean => clock.monotonic() >= until;
  return {
    repeat: (key) => {
      const refused = refusals.get(key);
      if (refused && !isOver(refused)) throw refused.error;
    },
    remember: (key, error, until) => void refusals.set(key, { error, until }),
    forget: (key) => void refusals.delete(key),
    sweep: () => {
      for (const [key, refused] of refusals.entries()) if (isOver(refused)) refusals.delete(key);
    },
    get size() {
      return refusals.size;
    },
  };
}

// What every bench is given.
import type { BenchPostgres } from './database.ts';

export interface Surroundings {
  postgres: BenchPostgres;
  /** One small round: to see that the bench works, not to measure. */
  quick: boolean;
  /** Progress, for whoever waits. */
  say(line: string): void;
}

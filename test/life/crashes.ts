// A process that ends between two statements, as its transaction sees it: it is rolled back, and the caller never hears.
import type { KyselyPlugin } from 'kysely';
import type { Database } from '../../src/db/connect.ts';

export class Crashed extends Error {
  override name = 'Crashed';
}

export interface Crashes {
  database: Database;
  /** Before so many further statements; never where undefined. */
  after: number | undefined;
  /** How many there were. */
  counted: number;
}

export function createCrashes(database: Database): Crashes {
  const crashes: Crashes = { database, after: undefined, counted: 0 };
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      if (crashes.after !== undefined && crashes.after-- <= 0) throw new Crashed('the process ended here');
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  crashes.database = { ...database, db: database.db.withPlugin(plugin) };
  return crashes;
}

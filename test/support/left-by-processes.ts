// What processes of the service leave behind, searched together when all of a test's are gone.
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { connectPostgres } from '../../src/db/connect.ts';
import { keepPrivateHalves, SEARCH, searchPostgres, searchService } from './leaks.ts';

export interface Left {
  url: string;
  env: Record<string, string>;
  /** Everything that it printed. */
  log(): string;
  /** As last read while it ran. */
  metrics: string;
}

const byTest = new WeakMap<Test, Left[]>();

/** Those that test/support/databases.ts makes are searched where they are dropped, with their halves opened here. */
const isSearchedElsewhere = (url: string): boolean => new URL(url).pathname.startsWith('/countersign_test_');

async function openHalves(url: string): Promise<void> {
  const database = connectPostgres({ ...SEARCH, url });
  await keepPrivateHalves(database.db).catch(() => {});
  await database.close();
}

/** Of its database, as who may read all of it, with the password that is in a file. */
function urlOf({ env }: Left): string[] {
  const name = env['MIGRATE_DATABASE_URL'] === undefined ? 'DATABASE' : 'MIGRATE_DATABASE';
  const [text, file] = [env[`${name}_URL`], env[`${name}_PASSWORD_FILE`]];
  if (text === undefined) return [];
  const url = new URL(text);
  if (file !== undefined) url.password = encodeURIComponent(readFileSync(file, 'utf8').trimEnd());
  return [url.href];
}

async function search(t: Test, left: readonly Left[]): Promise<void> {
  for (const url of new Set(left.flatMap(urlOf)))
    await (isSearchedElsewhere(url) ? openHalves(url) : searchPostgres(t, url));
  for (const { url, env, log, metrics } of left)
    searchService(t, { urls: [url, ...(env['ISSUER_URL'] ? [env['ISSUER_URL']] : [])], log: log(), metrics });
}

/** Called before the process's own teardown is set, so that it is searched when every one of the test's has ended. */
export function leaveToSearch(t: Test, what: Omit<Left, 'metrics'>): Left {
  const left: Left = { ...what, metrics: '' };
  const all = byTest.get(t);
  if (all) all.push(left);
  else {
    const first = [left];
    byTest.set(t, first);
    t.teardown(() => search(t, first));
  }
  return left;
}

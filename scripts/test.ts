// `npm test [files or folders]`: every test file on PGlite, then those that use a database again on PostgreSQL.
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import pg from 'pg';
import { parse } from 'yaml';
import { findPostgresBinaries, startPostgres } from '../test/support/postgres.ts';
import { walkModules } from './modules.ts';
import { type Counts, runFiles } from './tap-files.ts';
import { withoutMissing } from './test-parts.ts';

const ROOT = join(import.meta.dirname, '..');
const DATABASE_USERS = ['test/support/databases.ts', 'test/support/service.ts'].map((file) => join(ROOT, file));
const NOT_FOUND =
  'PostgreSQL was not found (no TEST_DATABASE_URL, no initdb in PATH or under /usr/lib/postgresql): install it, on Debian with `apt-get install postgresql`.';

interface Run {
  name: string;
  counts: Counts;
}

const failedRun = (name: string, failure: string): Run => ({
  name,
  counts: { passed: 0, failed: 1, skipped: 0, failures: [failure], reasons: [] },
});

/** Relative to the project, sorted. */
function selectFiles(args: string[]): string[] {
  const chosen = (args.length > 0 ? args : [join(ROOT, 'test')]).flatMap((arg) => {
    const path = resolve(arg);
    return statSync(path).isDirectory()
      ? globSync('**/*.test.ts', { cwd: path }).map((file) => join(path, file))
      : [path];
  });
  return [...new Set(chosen.map((path) => relative(ROOT, path)))].sort();
}

const isOnPostgresAlone = (file: string): boolean => file.startsWith('test/postgres/');

function usesDatabase(file: string): boolean {
  const { files } = walkModules([join(ROOT, file)], { dynamic: true });
  return DATABASE_USERS.some((user) => files.has(user));
}

/** With the same limits as `npx tap <file>`. */
function runOn(engine: string, files: string[], signal: AbortSignal, env: NodeJS.ProcessEnv = {}): Promise<Counts> {
  const { jobs, timeout } = parse(readFileSync(join(ROOT, '.taprc'), 'utf8')) as { jobs: number; timeout: number };
  return runFiles(files, {
    cwd: ROOT,
    env: { ...process.env, COUNTERSIGN_TEST_ENGINE: engine, ...env },
    jobs,
    timeoutSeconds: timeout,
    print: (line) => console.log(line),
    signal,
  });
}

async function readVersion(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version.split(' ')[0] ?? '';
  } finally {
    await client.end();
  }
}

/** On `TEST_DATABASE_URL`, else on one private cluster for the whole run. */
async function runOnPostgres(files: string[], signal: AbortSignal): Promise<Run> {
  const given = process.env.TEST_DATABASE_URL;
  const cluster = given ? undefined : await startPostgres();
  try {
    const url = given ?? cluster?.url ?? '';
    const name = `PostgreSQL ${await readVersion(url)}`;
    console.log(`\n${name}, ${files.length} files`);
    return { name, counts: await runOn('postgresql', files, signal, { TEST_DATABASE_URL: url }) };
  } finally {
    await cluster?.remove();
  }
}

async function main(): Promise<number> {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interrupt.abort());
  const { runnable: files, sentences } = withoutMissing(ROOT, selectFiles(process.argv.slice(2)));
  const everywhere = files.filter((file) => !isOnPostgresAlone(file));
  const again = files.filter((file) => isOnPostgresAlone(file) || usesDatabase(file));
  const runs: Run[] = [];
  let without = '';
  if (everywhere.length > 0) {
    console.log(`PGlite, ${everywhere.length} files`);
    runs.push({ name: 'PGlite', counts: await runOn('pglite', everywhere, interrupt.signal) });
  }
  if (again.length > 0 && !interrupt.signal.aborted) {
    const found = process.env.TEST_DATABASE_URL || findPostgresBinaries();
    if (found)
      runs.push(
        await runOnPostgres(again, interrupt.signal).catch((error: unknown) => failedRun('PostgreSQL', String(error))),
      );
    else if (process.env.REQUIRE_POSTGRES === '1') runs.push(failedRun('PostgreSQL', NOT_FOUND));
    else without = `, without PostgreSQL: ${NOT_FOUND}`;
  }
  const databases = runs.map((run) => run.name).join(' and ');
  if (process.env.REQUIRE_POSTGRES === '1')
    runs.push(...sentences.map((sentence) => failedRun('this machine', sentence)));
  if (interrupt.signal.aborted) runs.push(failedRun('every database', 'interrupted'));
  const sum = (key: 'passed' | 'failed' | 'skipped'): number => runs.reduce((total, run) => total + run.counts[key], 0);
  if (sum('passed') + sum('failed') === 0) runs.push(failedRun('every database', 'no test ran'));
  console.log(`\nRan on ${databases || 'no database'}${without || '.'}`);
  for (const sentence of sentences) console.log(`NOT TESTED: ${sentence}`);
  if (sum('skipped') > 0) console.log(`${sum('skipped')} skipped.`);
  for (const run of runs) for (const failure of run.counts.failures) console.log(`failed on ${run.name}: ${failure}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 ? 0 : 1;
}

process.exitCode = await main();

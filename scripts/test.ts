// `npm test [files or folders]`: every test file on PGlite, then those that use a database again on PostgreSQL.
import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import pg from 'pg';
import { findPostgresBinaries, startPostgres } from '../test/support/postgres.ts';
import { walkModules } from './modules.ts';
import { type Counts, createTapReport } from './tap-report.ts';

const ROOT = join(import.meta.dirname, '..');
const DATABASE_USERS = ['test/support/databases.ts', 'test/support/service.ts'].map((file) => join(ROOT, file));
const NOT_FOUND =
  'PostgreSQL was not found (no TEST_DATABASE_URL, no initdb in PATH or under /usr/lib/postgresql): install it, for Debian `apt-get install postgresql`.';

function selectFiles(args: string[]): string[] {
  const under = (folder: string) => globSync('**/*.test.ts', { cwd: folder }).map((file) => join(folder, file));
  const chosen = args.flatMap((arg) => (statSync(arg).isDirectory() ? under(arg) : [arg]));
  return (
    args.length > 0
      ? chosen.map((file) => relative(ROOT, join(process.cwd(), file)))
      : under(join(ROOT, 'test')).map((file) => relative(ROOT, file))
  ).sort();
}

const isOnPostgresAlone = (file: string): boolean => file.startsWith('test/postgres/');

function usesDatabase(file: string): boolean {
  const { files } = walkModules([join(ROOT, file)], { dynamic: true });
  return DATABASE_USERS.some((user) => files.has(user));
}

/** One run of tap; a file that crashes, hangs or cannot be loaded is a failure of that file. */
async function runTap(files: string[], env: Record<string, string>): Promise<Counts> {
  const report = createTapReport((line) => console.log(line));
  const tap = spawn(join(ROOT, 'node_modules/.bin/tap'), ['run', '--reporter=tap', ...files], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = (signal: NodeJS.Signals): void => void tap.kill(signal);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  tap.stdout.setEncoding('utf8').on('data', (text: string) => report.write(text));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    tap.on('close', (...end) => resolve(end)),
  );
  process.off('SIGINT', stop).off('SIGTERM', stop);
  const counts = report.end();
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    counts.failures.push(`tap ended with ${signal ?? `exit code ${code}`}`);
  }
  if (signal !== null) process.exitCode = 130;
  return counts;
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
async function runOnPostgres(files: string[]): Promise<{ counts: Counts; name: string } | undefined> {
  const given = process.env.TEST_DATABASE_URL;
  if (!given && !findPostgresBinaries()) return undefined;
  const cluster = given ? undefined : await startPostgres();
  try {
    const url = given ?? cluster?.url ?? '';
    const name = `PostgreSQL ${await readVersion(url)}`;
    console.log(`\n${name}, ${files.length} files`);
    return { counts: await runTap(files, { COUNTERSIGN_TEST_ENGINE: 'postgresql', TEST_DATABASE_URL: url }), name };
  } finally {
    await cluster?.remove();
  }
}

async function main(): Promise<void> {
  const files = selectFiles(process.argv.slice(2));
  const everywhere = files.filter((file) => !isOnPostgresAlone(file));
  const again = files.filter((file) => isOnPostgresAlone(file) || usesDatabase(file));
  const runs: { counts: Counts; name: string }[] = [];
  if (everywhere.length > 0) {
    console.log(`PGlite, ${everywhere.length} files`);
    runs.push({ name: 'PGlite', counts: await runTap(everywhere, { COUNTERSIGN_TEST_ENGINE: 'pglite' }) });
  }
  let without = '';
  if (again.length > 0 && process.exitCode === undefined) {
    const run = await runOnPostgres(again).catch((error: unknown) => ({
      name: 'PostgreSQL',
      counts: { passed: 0, failed: 1, skipped: 0, failures: [`the database did not serve: ${String(error)}`] },
    }));
    if (run) runs.push(run);
    else if (process.env.REQUIRE_POSTGRES !== '1') without = ` Without PostgreSQL: ${NOT_FOUND}`;
    else runs.push({ name: 'PostgreSQL', counts: { passed: 0, failed: 1, skipped: 0, failures: [NOT_FOUND] } });
  }
  const sum = (key: 'passed' | 'failed' | 'skipped'): number => runs.reduce((total, run) => total + run.counts[key], 0);
  if (sum('passed') + sum('failed') === 0) {
    runs.push({ name: 'nothing', counts: { passed: 0, failed: 1, skipped: 0, failures: ['no test ran'] } });
  }
  console.log(`\nRan on ${runs.map((run) => run.name).join(' and ')}.${without}`);
  if (sum('skipped') > 0) console.log(`${sum('skipped')} skipped.`);
  for (const run of runs) for (const failure of run.counts.failures) console.log(`failed on ${run.name}: ${failure}`);
  if (sum('failed') > 0) process.exitCode ??= 1;
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
}

await main();

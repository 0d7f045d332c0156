// `npm run defences -- <names>`: takes defences out, one at a time, and demands that its named test fails then.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findPostgresBinaries, startPostgres } from '../test/support/postgres.ts';
import { DEFENCES } from './defences/all.ts';
import type { Defence } from './defences/defence.ts';
import { findFault, takeOut } from './defences/edits.ts';
import { writePage } from './defences/page.ts';
import { settleGenerated } from './generated.ts';
import { runFiles } from './tap-files.ts';

const ROOT = join(import.meta.dirname, '..');
const COPIED = [
  'src',
  'test',
  'migrations',
  'scripts',
  'docs',
  'openapi.yaml',
  'package.json',
  'tsconfig.json',
  '.taprc',
];
const TIMEOUT_SECONDS = 120;

type Verdict = 'caught' | 'SURVIVED' | 'BROKEN';

/** A copy of the tree that may be altered. */
function copyTree(): string {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-defences-'));
  for (const path of COPIED) cpSync(join(ROOT, path), join(dir, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}

interface Outcome {
  passed: number;
  /** Of the named test alone; what failed beside it counts for nothing. */
  failures: string[];
  everything: string[];
}

async function runTest(
  tree: string,
  { test: [file, name], engine }: Defence,
  databaseUrl: string | undefined,
): Promise<Outcome> {
  const grep = `/^${name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$/`;
  const { passed, failures } = await runFiles([file], {
    cwd: tree,
    env: {
      ...process.env,
      TAP_GREP: grep,
      COUNTERSIGN_TEST_ENGINE: engine ?? 'pglite',
      ...(databaseUrl ? { TEST_DATABASE_URL: databaseUrl } : {}),
    },
    jobs: 1,
    timeoutSeconds: TIMEOUT_SECONDS,
    print: () => {},
  });
  return {
    passed,
    failures: failures.filter((failure) => failure.startsWith(`${file} > `) && failure.includes(name)),
    everything: failures,
  };
}

/**
 * Syntax, and names and members that are not there but under a name like theirs: what fails for these proves nothing. Types and
 * what is unused may be wrong. So may members that are not there at all (2339), of what a check that was taken out told apart.
 */
const BROKEN_CODE = /error TS(?:1\d{3}|2304|2551|2552|18004): .*/;

function findBrokenCode(tree: string): string | undefined {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', '.', '--noUnusedLocals', 'false'], {
    cwd: tree,
    encoding: 'utf8',
  });
  return BROKEN_CODE.exec(stdout)?.[0];
}

interface Proof {
  verdict: Verdict;
  why: string;
}

/** With the defence the test passes, without it the test itself fails: a file that no longer loads proves nothing. */
async function prove(
  tree: string,
  defence: Defence,
  databaseUrl: string | undefined,
  baseline: Map<string, Promise<Outcome>>,
): Promise<Proof> {
  const key = JSON.stringify([defence.test, defence.engine]);
  const before = baseline.get(key) ?? runTest(tree, defence, databaseUrl);
  baseline.set(key, before);
  const { passed, everything } = await before;
  if (passed === 0 || everything.length > 0)
    return { verdict: 'BROKEN', why: everything[0] ?? 'its test does not run' };
  const putBack = takeOut(tree, defence);
  try {
    const broken = findBrokenCode(tree);
    if (broken) return { verdict: 'BROKEN', why: broken };
    const { failures, everything: all } = await runTest(tree, defence, databaseUrl);
    if (failures[0] !== undefined) return { verdict: 'caught', why: failures[0].slice(defence.test[0].length + 3) };
    return all[0] === undefined
      ? { verdict: 'SURVIVED', why: defence.test.join(' > ') }
      : { verdict: 'BROKEN', why: `the test did not say so: ${all[0]}` };
  } finally {
    putBack();
  }
}

const HELP = `npm run -s defences -- [--jobs=N] <names>   takes these out, one at a time, and demands that its named test fails then
npm run -s defences -- [--jobs=N] --all     all of them: about an hour
npm run -s defences -- --page               writes docs/defences.md
npm run -s defences -- --check              says whether every one stands where it says, and the page is the table's

A name is one of docs/defences.md, as subject.what, or a subject alone: all of that subject.`;

/** @throws Error naming what is no defence and no option */
function choose(args: string[]): { waiting: Defence[]; jobs: number } {
  const { values, positionals } = parseArgs({
    ...{ args, allowPositionals: true },
    options: { all: { type: 'boolean' }, jobs: { type: 'string', default: '1' } },
  });
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error('--jobs must be a whole number above 0');
  const is = (wanted: string, { name }: Defence): boolean => name === wanted || name.startsWith(`${wanted}.`);
  const unknown = positionals.filter((wanted) => !DEFENCES.some((defence) => is(wanted, defence)));
  if (unknown.length > 0) throw new Error(`no defence is called ${unknown.join(', ')}: docs/defences.md has the names`);
  if (values.all && positionals.length > 0) throw new Error('either names or --all');
  if (!values.all && positionals.length === 0)
    throw new Error(`all ${DEFENCES.length} take about an hour: name some, or say --all`);
  return { jobs, waiting: DEFENCES.filter((defence) => values.all || positionals.some((name) => is(name, defence))) };
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(HELP);
    return 0;
  }
  if (args.includes('--page') || args.includes('--check')) {
    const faults = DEFENCES.flatMap((defence) => {
      const fault = findFault(ROOT, defence);
      return fault ? [`FAIL ${defence.name}: ${fault}`] : [];
    });
    for (const fault of faults) console.log(fault);
    const page = settleGenerated('docs/defences.md', writePage(DEFENCES), {
      check: args.includes('--check'),
      command: 'defences -- --page',
    });
    return faults.length > 0 ? 1 : page;
  }
  let chosen: ReturnType<typeof choose>;
  try {
    chosen = choose(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  const { waiting, jobs } = chosen;
  const total = waiting.length;
  const needsPostgres = waiting.some(({ engine }) => engine === 'postgresql') && !process.env['TEST_DATABASE_URL'];
  const cluster = needsPostgres && findPostgresBinaries() ? await startPostgres() : undefined;
  const databaseUrl = process.env['TEST_DATABASE_URL'] ?? cluster?.url;
  const baseline = new Map<string, Promise<Outcome>>();
  const verdicts: Record<Verdict, number> = { caught: 0, SURVIVED: 0, BROKEN: 0 };
  const work = async (): Promise<void> => {
    const tree = copyTree();
    try {
      for (let defence = waiting.shift(); defence; defence = waiting.shift()) {
        const fault = findFault(ROOT, defence);
        const away = defence.engine === 'postgresql' && !databaseUrl ? 'PostgreSQL was not found' : undefined;
        const proof: Proof =
          fault || away
            ? { verdict: 'BROKEN', why: (fault ?? away) as string }
            : await prove(tree, defence, databaseUrl, baseline);
        verdicts[proof.verdict] += 1;
        console.log(`${proof.verdict.padEnd(8)} ${defence.name.padEnd(44)} ${proof.why.slice(0, 160)}`);
      }
    } finally {
      rmSync(tree, { recursive: true, force: true });
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await cluster?.remove();
  }
  console.log(
    `\n${verdicts.caught} of ${total} defences are missed by their named test when taken out; ${verdicts.SURVIVED} survived, ${verdicts.BROKEN} could not be tried.`,
  );
  return verdicts.caught === total ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

// Runs test files, each a process of its own that speaks TAP, some at a time: a line per file, the reason of each failure.
import { type ChildProcess, spawn } from 'node:child_process';
import { Parser, type Result } from 'tap-parser';
import { stringify } from 'yaml';

export interface Counts {
  /** Single assertions, not the tests around them. */
  passed: number;
  failed: number;
  skipped: number;
  /** Full names: `file > test > assertion`. */
  failures: string[];
  /** The same with what the assertion said, for people. */
  reasons: string[];
}

export interface RunOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Files at a time. */
  jobs: number;
  /** Of one file. */
  timeoutSeconds: number;
  print: (line: string) => void;
  /** Ends the run early: what is running is killed and counts as failed, what is waiting does not start. */
  signal?: AbortSignal;
}

// The reason that tap itself gives for an empty plan; any other is the author's.
const NO_TESTS = 'no tests found';

const noCounts = (): Counts => ({ passed: 0, failed: 0, skipped: 0, failures: [], reasons: [] });

function describe(name: string, result: Result): string {
  const diagnostics = Object.entries((result.diag ?? {}) as Record<string, unknown>).filter(
    ([, value]) => value != null,
  );
  if (diagnostics.length === 0) return name;
  return `${name}\n${stringify(Object.fromEntries(diagnostics), { lineWidth: 0 }).trimEnd()}`;
}

/**
 * Counts what one file said.
 * @param end how its process ended, in words, unless it ended well
 */
export function readTap(file: string, tap: string, end: string | undefined): Counts {
  const counts = noCounts();

  function fail(name: string, reason: string): void {
    counts.failed += 1;
    counts.failures.push(name);
    counts.reasons.push(reason);
  }

  /** Subtests close with a point of their own, which counts only where nothing inside says why it failed. */
  function follow(parser: Parser): void {
    let failedBefore = 0;
    parser.on('child', (child: Parser) => {
      failedBefore = counts.failed;
      follow(child);
    });
    parser.on('assert', (result: Result) => {
      const name = result.fullname ? `${file} > ${result.fullname}` : file;
      if (result.skip || result.todo) counts.skipped += 1;
      else if (result.ok) counts.passed += result.closingTestPoint ? 0 : 1;
      else if (!result.closingTestPoint || counts.failed === failedBefore) fail(name, describe(name, result));
    });
  }

  const parser = new Parser();
  follow(parser);
  parser.end(tap);
  const { plan, ok } = parser.results ?? {};
  if (counts.failed > 0) return counts;
  if (end !== undefined) fail(file, `${file}\n${end}`);
  else if (plan?.skipAll && plan.skipReason && plan.skipReason !== NO_TESTS) counts.skipped += 1;
  else if (!ok || counts.passed + counts.skipped === 0)
    fail(file, `${file}\nits plan does not hold, or it ran no test`);
  return counts;
}

/** For tap to be loaded before its clock starts, and to say what hangs after it. */
const TAPS_OWN_SECONDS = 15;

/** The file's own process group, so that a server which it forgot goes, too. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

async function runFile(file: string, options: RunOptions): Promise<Counts> {
  const began = performance.now();
  const child = spawn(process.execPath, [file], {
    cwd: options.cwd,
    // tap's own clock runs out first, though it starts later: it can say which test hangs.
    env: { ...options.env, TAP: '1', TAP_TIMEOUT: String(options.timeoutSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let tap = '';
  let errors = '';
  let end: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (tap += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-8000)));
  const stop = (why: string): void => {
    end = why;
    killGroup(child);
  };
  const deadline = setTimeout(
    stop,
    (options.timeoutSeconds + TAPS_OWN_SECONDS) * 1000,
    `timed out after ${options.timeoutSeconds} s`,
  );
  const abort = (): void => stop('interrupted');
  options.signal?.addEventListener('abort', abort);
  child.on('exit', (code, signal) => {
    if (code !== 0) end ??= signal ? `ended by ${signal}` : `ended with exit code ${code}`;
    killGroup(child);
  });
  await new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  clearTimeout(deadline);
  options.signal?.removeEventListener('abort', abort);

  const counts = readTap(file, tap, end);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const failed = counts.failed > 0 ? `, ${counts.failed} failed` : '';
  options.print(`  ${failed ? 'FAIL' : 'ok  '} ${file}  ${counts.passed} passed${failed}  ${seconds} s`);
  for (const [line] of tap.matchAll(/^# NOT SEARCHED.*$/gm)) options.print(`         ${line.slice(2)}`);
  if (!failed) return counts;
  for (const text of [...counts.reasons, errors.trim()]) {
    // A minified module's source is one endless line.
    if (text) options.print(text.replace(/^(.{0,400}).*$/gm, '      $1'));
  }
  return counts;
}

export async function runFiles(files: string[], options: RunOptions): Promise<Counts> {
  const waiting = [...files];
  const total = noCounts();
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (options.signal?.aborted) return;
      const counts = await runFile(file, options);
      for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key];
      total.failures.push(...counts.failures);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return total;
}

// Reads one tap run as it happens: a line per file, the reason of each failure, and the counts of single assertions.
import { Parser, type Result } from 'tap-parser';
import { stringify } from 'yaml';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Full names: `file > test > assertion`. */
  failures: string[];
}

// What tap says of the process of a file; of use only where the file died without a failed assertion.
const OF_PROCESS = new Set(['stdio', 'cwd', 'externalID', 'command', 'args', 'jobId']);

function describe(result: Result): string {
  const diagnostics = Object.fromEntries(
    Object.entries((result.diag ?? {}) as Record<string, unknown>).filter(
      ([name, value]) => !OF_PROCESS.has(name) && value != null,
    ),
  );
  const text = Object.keys(diagnostics).length > 0 ? `\n${stringify(diagnostics, { lineWidth: 0 }).trimEnd()}` : '';
  return `${result.fullname}${text}`.replaceAll('\n', '\n      ');
}

/** Feed it a run's TAP with `write`, then `end`; `print` gets the lines meant for people. */
export function createTapReport(print: (line: string) => void): { write(text: string): void; end(): Counts } {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  const reasons: string[] = [];
  let before = { passed: 0, failed: 0 };

  function fail(result: Result): void {
    counts.failed += 1;
    counts.failures.push(result.fullname);
    reasons.push(describe(result));
  }

  /** Subtests close with a point of their own, which counts only where nothing inside says why it failed. */
  function follow(parser: Parser): void {
    let failedBefore = counts.failed;
    parser.on('child', (child: Parser) => {
      failedBefore = counts.failed;
      follow(child);
    });
    parser.on('assert', (result: Result) => {
      if (result.skip) counts.skipped += 1;
      else if (result.todo) counts.skipped += 1;
      else if (!result.closingTestPoint) {
        if (result.ok) counts.passed += 1;
        else fail(result);
      } else if (!result.ok && counts.failed === failedBefore) fail(result);
      if (parser.level === 0) printFile(result);
    });
  }

  function printFile(result: Result): void {
    const passed = counts.passed - before.passed;
    const failed = counts.failed - before.failed;
    const seconds = ((result.time ?? 0) / 1000).toFixed(1);
    print(
      `  ${failed ? 'FAIL' : 'ok  '} ${result.name}  ${passed} passed${failed ? `, ${failed} failed` : ''}  ${seconds} s`,
    );
    for (const reason of reasons.splice(0)) print(`      ${reason}`);
    before = { passed: counts.passed, failed: counts.failed };
  }

  const parser = new Parser();
  follow(parser);
  return {
    write: (text) => void parser.write(text),
    end: () => {
      parser.end();
      return counts;
    },
  };
}

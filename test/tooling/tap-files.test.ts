// What `npm test` counts and says: single assertions, and files that die, hang or run nothing.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readTap, runFiles } from '../../scripts/tap-files.ts';
import { until } from '../support/until.ts';

t.test('counts single assertions, not the tests around them', async (t) => {
  const tap = `TAP version 14
# Subtest: good
    ok 1 - one
    ok 2 - two
    1..2
ok 1 - good # time=1ms
# Subtest: bad
    not ok 1 - three
      ---
      diff: |
        -1
        +2
      ...
    ok 2 - four
    1..2
not ok 2 - bad # time=1ms
ok 3 - later # SKIP
ok 4 - top
1..4
`;
  const counts = readTap('a.test.ts', tap, 'ended with exit code 1');
  t.match(counts, { passed: 4, failed: 1, skipped: 1, failures: ['a.test.ts > bad > three'] });
  t.match(counts.reasons[0], /^a\.test\.ts > bad > three\ndiff: \|\n +-1\n +\+2/);
});

t.test('a subtest that fails without a failed assertion is one failure', async (t) => {
  const tap = 'TAP version 14\n# Subtest: bad\n    ok 1 - one\n    1..2\nnot ok 1 - bad\n1..1\n';
  t.match(readTap('a.test.ts', tap, 'ended with exit code 1'), { passed: 1, failed: 1 });
});

t.test('a skipped file is no failure, one without a test is', async (t) => {
  t.match(readTap('a.test.ts', 'TAP version 14\n1..0 # SKIP not here\n', undefined), { failed: 0, skipped: 1 });
  t.match(readTap('a.test.ts', 'TAP version 14\n1..0\n', undefined), { failed: 1 });
  t.match(readTap('a.test.ts', '', undefined), { failed: 1 });
  t.match(
    readTap('a.test.ts', 'TAP version 14\nok 1 - one\n1..2\n', undefined),
    { passed: 1, failed: 1 },
    'a broken plan',
  );
});

const TAP = JSON.stringify(join(import.meta.dirname, '../../node_modules/tap/dist/esm/index.js'));
const open = `import t from ${TAP};`;

async function run(
  t: { testdir(files: Record<string, string>): string },
  files: Record<string, string>,
  signal?: AbortSignal,
) {
  const cwd = t.testdir(files);
  const lines: string[] = [];
  const { NODE_OPTIONS: _, ...env } = process.env;
  const options = {
    cwd,
    env,
    jobs: 2,
    timeoutSeconds: 10,
    print: (line: string) => lines.push(line),
    ...(signal ? { signal } : {}),
  };
  const counts = await runFiles(Object.keys(files), options);
  return { cwd, counts, text: lines.join('\n') };
}

t.test('files that pass, fail, crash, cannot be loaded and hang are each told', async (t) => {
  const { counts, text } = await run(t, {
    'pass.mjs': `${open} t.ok(true); t.test('x', async (t) => { t.ok(true); });`,
    'fail.mjs': `${open} t.equal(1, 2, 'one is two');`,
    'crash.mjs': `${open} t.ok(true); console.error('last words'); process.kill(process.pid, 'SIGKILL');`,
    'missing.mjs': "import './nowhere.mjs';",
    'hang.mjs': `${open} t.test('waits', async (t) => { t.ok(true); await new Promise(() => setInterval(() => {}, 1000)); });`,
  });
  t.equal(counts.failed, 4);
  t.match(counts.failures.sort(), [
    'crash.mjs',
    'fail.mjs > one is two',
    /^hang\.mjs > waits > timeout!/,
    'missing.mjs',
  ]);
  t.match(text, /ok {3}pass\.mjs {2}2 passed/);
  t.match(text, /ended by SIGKILL\n +last words/);
  t.match(text, /nowhere\.mjs/);
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

t.test(
  'what a file started and forgot does not outlive it',
  { skip: !existsSync('/proc/self') && 'no /proc' },
  async (t) => {
    const forgets = `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs'; ${open}
    const child = spawn('sleep', ['60'], { stdio: 'inherit' }); writeFileSync('pid', String(child.pid)); child.unref(); t.ok(true);`;
    const { cwd, counts } = await run(t, { 'forgets.mjs': forgets });
    t.match(counts, { passed: 1, failed: 0 });
    const pid = Number(readFileSync(join(cwd, 'pid'), 'utf8'));
    t.ok(await until(() => !isRunning(pid)));
  },
);

t.test('an interrupted run says so, and starts nothing more', async (t) => {
  const hangs = `${open} t.ok(true); await new Promise(() => setInterval(() => {}, 1000));`;
  const files = { 'one.mjs': hangs, 'two.mjs': hangs, 'three.mjs': `${open} t.ok(true);` };
  const { counts, text } = await run(t, files, AbortSignal.timeout(800));
  t.equal(counts.failed, 2);
  t.match(text, /interrupted/);
  t.notMatch(text, /three/);
});

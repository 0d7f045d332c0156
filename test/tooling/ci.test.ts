// What CI concludes: the exit code is true to the run, and the last line is always a count.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const ROOT = join(import.meta.dirname, '../..');

/** `.ci/run` beside an npm that prints this and ends with that code. */
function run(t: Test, output: string, code: number) {
  const folder = t.testdir({ bin: {}, output });
  mkdirSync(join(folder, '.ci'));
  cpSync(join(ROOT, '.ci/run'), join(folder, '.ci/run'));
  writeFileSync(
    join(folder, 'bin/npm'),
    `#!/bin/sh\necho "$@ $CI $REQUIRE_POSTGRES" > said\ncat output\nexit ${code}\n`,
  );
  chmodSync(join(folder, 'bin/npm'), 0o755);
  // Given a database, it installs none.
  const env = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, TEST_DATABASE_URL: 'postgresql://unused' };
  const { status, stdout } = spawnSync('bash', [join(folder, '.ci/run')], { env, encoding: 'utf8' });
  const said = readFileSync(join(folder, 'said'), 'utf8').trim();
  return { status, last: stdout.trimEnd().split('\n').at(-1), said };
}

const cases: [name: string, output: string, code: number, status: number, last: string][] = [
  ['all is well', 'ok rules\n12 passed, 0 failed\n', 0, 0, '12 passed, 0 failed'],
  ['something is said after the count', '12 passed, 0 failed\nnotice: a new npm\n', 0, 0, '12 passed, 0 failed'],
  ['a test fails', '11 passed, 1 failed\nnpm error\n', 1, 1, '11 passed, 1 failed'],
  ['what stands before the tests fails', 'FAIL rules\n', 1, 1, '0 passed, 1 failed'],
  ['it ends badly although every test passed', '12 passed, 0 failed\n', 7, 7, '12 passed, 1 failed'],
  ['no test ran', 'nothing to do\n', 0, 1, '0 passed, 1 failed'],
  ['ten failures are not none', '2 passed, 10 failed\n', 1, 1, '2 passed, 10 failed'],
];

for (const [name, output, code, status, last] of cases) {
  t.test(name, async (t) => {
    t.match(run(t, output, code), { status, last, said: 'run check true 1' });
  });
}

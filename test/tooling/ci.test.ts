// What CI concludes: the exit code is true to the run, and the last line is always a count.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';

const ROOT = join(import.meta.dirname, '../..');

const PARTS = {
  postgresql: 'usr/lib/postgresql/15/bin/initdb',
  pgbouncer: 'usr/sbin/pgbouncer',
  libfaketime: 'usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  awscli: 'usr/bin/aws',
};
type Part = keyof typeof PARTS;
const ALL = Object.keys(PARTS) as Part[];

interface Machine {
  /** What is installed; everything unless given. */
  parts?: Part[];
  /** The exit code of its apt-get. */
  apt?: number;
}

/** `.ci/run` beside an npm that prints this and ends with that code, on a machine whose apt-get only says what it was asked. */
function run(t: Test, output: string, code: number, { parts = ALL, apt = 0 }: Machine = {}) {
  const folder = t.testdir({ bin: {}, root: {}, output });
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('.ci'));
  cpSync(join(ROOT, '.ci/run'), at('.ci/run'));
  for (const part of parts) {
    mkdirSync(dirname(at(`root/${PARTS[part]}`)), { recursive: true });
    writeFileSync(at(`root/${PARTS[part]}`), '', { mode: 0o755 });
  }
  const commands = {
    npm: `echo "$@ $CI $REQUIRE_POSTGRES" > said\ncat output\nexit ${code}`,
    'apt-get': `echo "$@" >> asked\nexit ${apt}`,
    sudo: 'shift; exec "$@"',
    sed: 'echo "sed $*" >> asked',
  };
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(at(`bin/${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(at(`bin/${name}`), 0o755);
  }
  const env = { PATH: `${at('bin')}:/usr/bin:/bin`, PARTS_ROOT: at('root') };
  const { status, stdout } = spawnSync('bash', [at('.ci/run')], { env, encoding: 'utf8' });
  const read = (name: string): string[] =>
    existsSync(at(name)) ? readFileSync(at(name), 'utf8').trim().split('\n') : [];
  return { status, last: stdout.trimEnd().split('\n').at(-1), said: read('said')[0], asked: read('asked') };
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

const installs: [name: string, parts: Part[], asked: RegExp[]][] = [
  ['everything is there: nothing is installed', ALL, []],
  [
    "nothing is there: all of it, and no cluster of Debian's",
    [],
    [
      /update$/,
      / install postgresql-common$/,
      /^sed .*create_main_cluster/,
      / install postgresql pgbouncer libfaketime awscli$/,
    ],
  ],
  ['only what is missing', ['postgresql', 'libfaketime', 'awscli'], [/update$/, / install pgbouncer$/]],
  ['and the clock that lies', ['postgresql', 'pgbouncer', 'awscli'], [/update$/, / install libfaketime$/]],
  ["and Debian's AWS CLI", ['postgresql', 'pgbouncer', 'libfaketime'], [/update$/, / install awscli$/]],
];

for (const [name, parts, asked] of installs) {
  t.test(name, async (t) => {
    const outcome = run(t, '12 passed, 0 failed\n', 0, { parts });
    t.match(outcome, { status: 0, asked });
    t.equal(outcome.asked.length, asked.length);
  });
}

t.test('what cannot be installed is a failure', async (t) => {
  t.match(run(t, '12 passed, 0 failed\n', 0, { parts: ['postgresql'], apt: 100 }), {
    ...{ status: 1, last: '0 passed, 1 failed', said: undefined },
  });
});

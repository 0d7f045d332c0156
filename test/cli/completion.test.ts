// Completion: the scripts of three shells, sourced for real in bash, from the command tree and nothing else.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listPlaces } from '../../src/cli/completion.ts';
import { createProgram } from '../../src/cli/main.ts';
import { processOutside } from '../../src/cli/outside.ts';
import { cli, temporaryFolder } from './stand-in.ts';

const folder = temporaryFolder(t);
const places = listPlaces(createProgram(processOutside()));

async function script(shell: string): Promise<string> {
  const { code, stdout } = await cli(['completion', shell]);
  t.equal(code, 0);
  const file = join(folder, shell);
  writeFileSync(file, stdout);
  return file;
}

/** What bash offers after these words, in a shell of its own that knows no other program. */
function complete(file: string, words: string[]): string[] {
  const program = `
    set -u
    source "$1"; shift
    complete -p countersign | grep -q _countersign || exit 9
    COMP_WORDS=(countersign "$@"); COMP_CWORD=$#
    _countersign
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const printed = execFileSync('bash', ['--norc', '-c', program, 'bash', file, ...words], {
    encoding: 'utf8',
    cwd: folder,
    env: { PATH: '/usr/bin:/bin' },
  });
  return printed.split('\n').filter((line) => line !== '');
}

t.test('bash completes nouns, verbs, options and the values of options', async (t) => {
  const file = await script('bash');
  t.same(complete(file, ['conn']), ['connection']);
  t.ok(complete(file, ['']).includes('completion'));
  t.same(complete(file, ['connection', 'dis']), ['disconnect']);
  t.same(complete(file, ['workload', 'key', 'gen']), ['generate']);
  t.same(complete(file, ['connection', 'create', '--permission-']), ['--permission-set']);
  t.same(complete(file, ['connection', 'create', '--name', 'x', '--permission-set', 'co']), ['core']);
  t.same(complete(file, ['completion', '']).slice(0, 3), ['bash', 'zsh', 'fish']);
  t.same(complete(file, ['connection', 'template', '--out', 'x']), [], "a file's name is the shell's own to complete");
  t.ok(
    complete(file, ['connection', 'show', 'list', '--']).includes('--json'),
    'an argument that is called as a command is none',
  );
});

t.test('a TAB runs nothing that was typed', async (t) => {
  const file = await script('bash');
  for (const word of ['$(touch ran)', '`touch ran`', '"; touch ran; "']) {
    complete(file, ['key', 'show', word, '']);
    complete(file, ['key', word]);
  }
  t.notOk(existsSync(join(folder, 'ran')));
});

t.test('zsh and fish know every place, word and option as well', async (t) => {
  const [zsh, fish] = [readFileSync(await script('zsh'), 'utf8'), readFileSync(await script('fish'), 'utf8')];
  t.ok(places.length > 50);
  for (const { path, words, options } of places) {
    const zshLine = zsh.split('\n').find((line) => line.startsWith(`    ('${path}') known=`)) ?? '';
    const fishLines = fish.split('\n').filter((line) => line.includes(`__countersign_at \\'${path}\\'`));
    for (const { text } of words) {
      t.ok(zshLine.includes(`'${text}`), `zsh: ${path} ${text}`);
      t.ok(
        fishLines.some((line) => line.includes(` -a ${text} `)),
        `fish: ${path} ${text}`,
      );
    }
    for (const { text } of options) {
      t.ok(zshLine.includes(`'${text}`), `zsh: ${path} ${text}`);
      t.ok(
        fishLines.some((line) => line.includes(` -l ${text.slice(2)} `)),
        `fish: ${path} ${text}`,
      );
    }
  }
});

t.test('a shell that it does not know is refused', async (t) => {
  t.match(await cli(['completion', 'tcsh']), { code: 2, stderr: /bash, zsh, fish/ });
});

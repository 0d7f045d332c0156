// The table of defences: every one is still where it says, once, with its test; the page is the table's.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DEFENCES } from '../../scripts/defences/all.ts';
import { writePage } from '../../scripts/defences/page.ts';
import { findFault } from '../../scripts/defences/edits.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('every defence can be taken out where the table says', async (t) => {
  for (const defence of DEFENCES) t.equal(findFault(ROOT, defence), undefined, defence.name);
  const names = DEFENCES.map(({ name }) => name);
  t.same(names, [...new Set(names)], 'each has a name of its own');
  t.ok(names.every((name) => /^[a-z]+\.[a-z0-9-]+$/.test(name)));
});

t.test('docs/defences.md is the table', async (t) => {
  t.equal(readFileSync(join(import.meta.dirname, '../../docs/defences.md'), 'utf8'), writePage(DEFENCES));
});

/** Ends before anything is taken out, or is killed. */
function defences(...args: string[]) {
  const script = join(ROOT, 'scripts/defences.ts');
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 30_000 });
}

t.test('what is no defence is refused by name, beside one that is, and nothing is tried', async (t) => {
  const { status, stdout, stderr } = defences('seeing.closed-labels', 'seeing.not-there', 'nosuch');
  t.equal(status, 2);
  t.match(stderr, /^no defence is called seeing\.not-there, nosuch: docs\/defences\.md has the names\n/);
  t.equal(stdout, '');
  t.match(defences('--al').stderr, /--al/, 'nor is an option guessed');
});

t.test('without names it says how long all of them take, and how to ask for that', async (t) => {
  const { status, stdout, stderr } = defences();
  t.equal(status, 2);
  t.match(stderr, `all ${DEFENCES.length} take about an hour: name some, or say --all`);
  t.equal(stdout, '');
  t.match(defences('--all', 'seeing').stderr, /^either names or --all/);
});

t.test('--help says what it does', async (t) => {
  const { status, stdout } = defences('--help');
  t.equal(status, 0);
  for (const option of ['<names>', '--all', '--page', '--check', '--jobs']) t.match(stdout, option);
});

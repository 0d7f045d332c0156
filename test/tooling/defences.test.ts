// The table of defences: every one is still where it says, once, with its test; the page is the table's.
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

// docs/architecture.md against the linter's own tables: the order of imports, and the leaves.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LAYERS, LEAVES } from '../../tools/rules/imports.mjs';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');

t.test('the order of imports is the one that the linter holds', async (t) => {
  const [, line = ''] = /^Imports run one way.*\n\n```\n([^`]+)```$/m.exec(page) ?? [];
  const order = LAYERS.map((layer) => {
    const rooms = layer.map((room) => room.replace(/\.ts$/, ''));
    return rooms.length > 1 ? `{${rooms.join(', ')}}` : rooms[0];
  }).join(' -> ');
  t.equal(line.trim().replaceAll(/\s+/g, ' '), order);
});

t.test('so are the leaves', async (t) => {
  const [, list = ''] = /^Anybody may import the leaves: ([^;]+?)\. A /m.exec(page) ?? [];
  const named = list.split(',').map((leaf) => leaf.trim().replaceAll('`', '').replace(/\/$/, ''));
  t.same(named.sort(), [...LEAVES].sort());
});

t.test('each of them is there', async (t) => {
  for (const room of [...LAYERS.flat(), ...LEAVES]) {
    const found = statSync(join(ROOT, 'src', room), { throwIfNoEntry: false });
    t.equal(found?.isDirectory(), !room.endsWith('.ts'), room);
  }
});

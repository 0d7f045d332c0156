// docs/security-team.md has every kind of row that the code writes.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readPage, ROOT } from './pages.ts';

const [, table = ''] =
  /^\| kind \| means \|\n\| --- \| --- \|\n((?:\|.*\n)+)/m.exec(readPage('docs/security-team.md')) ?? [];

/** The names of a row's first column; `.degraded` after `connection.verified` is `connection.degraded`. */
function namesOf(row: string): string[] {
  let room = '';
  return [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z_]*)\.([a-z_]+|\*)`/g)].map(([, named = '', what = '']) => {
    room = named || room;
    return `${room}.${what}`;
  });
}

const listed = new Set(table.trim().split('\n').flatMap(namesOf));

/** As they stand in the code; of one whose end is made, what comes before that. */
const written = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((file) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\bkind: (?:'([a-z_]+\.[a-z_]+)'|`([a-z_]+\.[a-z_]*)\$\{)/g)].map(
    ([, whole, beginning]) => ({ file, whole, beginning }),
  ),
);

const isListed = (kind: string): boolean => listed.has(kind) || listed.has(kind.replace(/\..*/, '.*'));

t.test('every kind of row that is written stands in the table of the audit log', async (t) => {
  t.ok(listed.size > 40 && written.length > 40);
  for (const { file, whole, beginning = '' } of written)
    t.ok(
      whole === undefined ? [...listed].some((kind) => kind.startsWith(beginning)) : isListed(whole),
      `${file}: ${whole ?? `${beginning}…`}`,
    );
});

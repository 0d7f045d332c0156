// The operators' table of metrics is what a running service shows, type and labels included.
import t from 'tap';
import { scrape } from '../metrics/scrape.ts';
import { startTestService } from '../support/service.ts';
import { readPage } from './pages.ts';

t.test('every metric of the service is in docs/operators.md, as it is, and no other', async (t) => {
  const { types, text } = await scrape((await startTestService(t)).url);
  const shown = [...types].filter(([name]) => name.startsWith('countersign_')).map(([name, type]) => `${name} ${type}`);
  const rows = [...readPage('docs/operators.md').matchAll(/^\| `(countersign_\w+)` \| (\w+) \|([\w, ]*)\|/gm)];
  t.same(rows.map(([, name, type]) => `${name} ${type}`).sort(), shown.sort());
  for (const [, name, type, labels = ''] of rows) {
    const series = new RegExp(`^${name}${type === 'histogram' ? '_count' : ''}(?:\\{(.*)\\})? `, 'm').exec(text);
    // Some have no sample here: PGlite has no pool, and nobody has looked at the documents from outside.
    if (!series) continue;
    const there = [...(series[1] ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label);
    t.same(
      there.sort(),
      labels
        .split(',')
        .map((label) => label.trim())
        .filter(Boolean)
        .sort(),
      `${name}{${labels}}`,
    );
  }
});

// A part that is missing takes out the tests that need it and no other, and says so.
import t from 'tap';
import { PARTS, withoutMissing } from '../../scripts/test-parts.ts';

const FILES = {
  test: {
    support: { 'pooler.ts': 'export const pooler = 1;', 'more.ts': "import './pooler.ts';" },
    'plain.test.ts': 'export {};',
    'direct.test.ts': "import './support/pooler.ts';",
    'indirect.test.ts': "import './support/more.ts';",
  },
};
const files = ['test/direct.test.ts', 'test/indirect.test.ts', 'test/plain.test.ts'];
const part = (found: string | undefined) => ({
  ...{ name: 'Pooler', support: 'test/support/pooler.ts', install: 'apt-get install pooler' },
  find: () => found,
});

t.test('what is there takes nothing out', async (t) => {
  t.same(withoutMissing(t.testdir(FILES), files, [part('/usr/sbin/pooler')]), { runnable: files, sentences: [] });
});

t.test('what is missing takes out who needs it, by name, and says how to get it', async (t) => {
  const { runnable, sentences } = withoutMissing(t.testdir(FILES), files, [part(undefined)]);
  t.same(runnable, ['test/plain.test.ts']);
  t.match(sentences, [
    /^Pooler was not found: .*apt-get install pooler.*test\/direct\.test\.ts, test\/indirect\.test\.ts/,
  ]);
});

t.test('nothing is said of what no chosen test needs', async (t) => {
  t.same(withoutMissing(t.testdir(FILES), ['test/plain.test.ts'], [part(undefined)]).sentences, []);
});

t.test('the parts of this project have names, and modules that tests import', async (t) => {
  for (const { support, install } of PARTS)
    t.match({ support, install }, { support: /^test\/support\//, install: /^apt-get/ });
});

// What the pages promise a reader: links that lead somewhere, scripts and commands that are there.
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import t from 'tap';
import { createProgram } from '../../src/cli/main.ts';
import { processOutside } from '../../src/cli/outside.ts';
import { listAnchors, listCommands, listLinks, PAGES, readPage, ROOT } from './pages.ts';

t.test('every link resolves, its anchor too', async (t) => {
  for (const page of PAGES) {
    for (const link of listLinks(readPage(page))) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
      t.ok(existsSync(target), `${page} -> ${link}`);
      if (anchor !== undefined) t.ok(listAnchors(readFileSync(target, 'utf8')).has(anchor), `${page} -> #${anchor}`);
    }
  }
});

t.test('every page is reachable from README.md', async (t) => {
  const seen = new Set<string>(['README.md']);
  for (const page of seen) {
    for (const link of listLinks(readPage(page))) {
      const target = join(dirname(page), link.split('#')[0] ?? '');
      if (target.endsWith('.md')) seen.add(target);
    }
  }
  for (const page of PAGES) t.ok(seen.has(page), page);
});

t.test('files that are named in backticks exist, under the project or under src/', async (t) => {
  for (const page of PAGES) {
    for (const [, path = ''] of readPage(page).matchAll(/`((?:[\w.-]+\/)+[\w.-]*(?:\.(?:ts|mjs|sql|md|yaml)|\/))`/g)) {
      t.ok(
        ['', 'src', 'docs'].some((folder) => existsSync(join(ROOT, folder, path))) || path === '.data/',
        `${page}: ${path}`,
      );
    }
  }
});

t.test('npm scripts that are named exist, and files given to npm test', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  let found = 0;
  for (const page of PAGES) {
    for (const command of listCommands(readPage(page))) {
      const [, script, rest = ''] = /\bnpm (?:run (?:-s )?)?(start|test|[a-z]+(?::[a-z]+)?)\b(.*)/.exec(command) ?? [];
      if (script === undefined || /npm (ci|install|pack|sbom)/.test(command)) continue;
      found += 1;
      t.ok(script in scripts, `${page}: ${command}`);
      const [, path] = /^\s+(test\/\S+)/.exec(script === 'test' ? rest : '') ?? [];
      if (path !== undefined) t.ok(globSync(path, { cwd: ROOT }).length > 0, `${page}: ${path}`);
      const [, bench] = /^ -- ([a-z_]+)/.exec(script === 'bench' ? rest : '') ?? [];
      if (bench !== undefined) t.match(readFileSync(join(ROOT, 'bench/main.ts'), 'utf8'), bench);
    }
  }
  t.ok(found > 10, 'scripts were found at all');
});

/** The command that words name, and what of them is left: arguments and options. */
function findCommand(program: Command, words: readonly string[]): { command: Command; rest: string[] } {
  const child = program.commands.find((candidate) => candidate.name() === words[0]);
  return child ? findCommand(child, words.slice(1)) : { command: program, rest: [...words] };
}

t.test('every countersign command and option that is named exists', async (t) => {
  const program = createProgram(processOutside());
  let found = 0;
  for (const page of PAGES) {
    for (const text of listCommands(readPage(page))) {
      // Elsewhere the same word is a namespace, a container, a unit.
      const named = /^(kubectl|docker|systemctl) /.test(text)
        ? 'node dist/cli/main\\.js'
        : 'countersign|npm -s run countersign --|node dist/cli/main\\.js';
      for (const [, line = ''] of text.matchAll(
        new RegExp(`(?:^|[ (])(?:${named}) ((?=[a-z<])(?:[^")|]|"[^"]*")+)`, 'g'),
      )) {
        const { command, rest } = findCommand(program, line.replaceAll(/"[^"]*"/g, 'text').split(/\s+/));
        if (rest[0]?.startsWith('<')) continue;
        found += 1;
        t.equal(command.commands.length, 0, `${page}: ${line} is a whole command`);
        // What stands behind a bare -- is another command's.
        const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
        for (const option of own.filter((word) => word.startsWith('--'))) {
          t.ok(
            command.options.some((known) => known.long === option),
            `${page}: ${line} takes ${option}`,
          );
        }
      }
    }
  }
  t.ok(found > 20, 'commands were found at all');
});

t.test('the index of decisions has each, once, in order, with its title', async (t) => {
  const files = readdirSync(join(ROOT, 'docs/adr'))
    .filter((file) => file !== 'README.md')
    .sort();
  const rows = [...readPage('docs/adr/README.md').matchAll(/^\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \| (.+?) \|$/gm)];
  t.strictSame(
    rows.map(([, , file]) => file),
    files,
  );
  for (const [index, [, number, file = '', title = '']] of rows.entries()) {
    t.equal(number, String(index + 1).padStart(4, '0'));
    const page = readPage(`docs/adr/${file}`);
    t.equal(page.split('\n')[0], `# ${number}: ${title}`);
    for (const section of ['Decision', 'Why|Evidence', 'What it costs', 'Rejected']) {
      t.match(page, new RegExp(`^## (${section})$`, 'm'), `${file} has ${section}`);
    }
  }
});

t.test('the changelog has an Unreleased section with headings for operators', async (t) => {
  const changelog = readPage('CHANGELOG.md');
  t.match(changelog, /^## Unreleased$/m);
  const unreleased = changelog.split(/^## /m).find((section) => section.startsWith('Unreleased')) ?? '';
  const headings = [...unreleased.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
  t.ok(headings.length > 0);
  for (const heading of headings)
    t.ok(['API', 'Configuration', 'Migrations', 'Security'].includes(heading ?? ''), String(heading));
  for (const migration of readdirSync(join(ROOT, 'migrations')))
    t.ok(changelog.includes(migration.replace('.sql', '')), migration);
});

t.test('README.md is one screen, with the trace of a request', async (t) => {
  const readme = readPage('README.md');
  t.ok(readme.split('\n').length <= 65);
  const hops = ['src/credentials/routes.ts', 'src/credentials/broker.ts', 'src/clouds/aws.ts'].map((hop) =>
    readme.indexOf(`](${hop})`),
  );
  t.ok(
    hops.every((at, index) => at > (hops[index - 1] ?? 0)),
    'three hops, in order',
  );
});

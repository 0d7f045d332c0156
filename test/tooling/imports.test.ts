// The linter's own house rules, each against a seeded violation and its lawful neighbour, with the project's real configuration.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';

const ROOT = join(import.meta.dirname, '../..');
const OPENING = '// A seed.\n';

// DESIGN: imports run from the left to the right. Written out again here, so that the rule's own table cannot drift.
const ORDER = [
  ['main.ts'],
  ['service.ts'],
  ['start.ts', 'listen.ts', 'tasks.ts', 'watched.ts'],
  ['app.ts', 'prepare.ts', 'background.ts', 'readiness.ts'],
  ['opening.ts', 'snapshot.ts'],
  ['oauth', 'credentials', 'status'],
  ['grants'],
  ['connections', 'workloads', 'administrators'],
  ['clients'],
  ['tokens'],
  ['issuers'],
  ['keys'],
  ['http'],
  ['audit'],
  ['db'],
];
const ROOMS = ORDER.flat();
const LEAVES = ['clouds', 'reach', 'config.ts', 'errors.ts', 'ids.ts', 'json.ts', 'clock.ts'];

interface Finding {
  file: string;
  rule: string;
  message: string;
}

/** Lints the files, paths to contents, as a project of their own. */
function lint(t: Test, files: Record<string, string>): Finding[] {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lint-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  cpSync(join(ROOT, 'tools/rules'), join(folder, 'tools/rules'), { recursive: true });
  // What needs types is not asked here, and starting it takes longer than all the rest.
  const config = JSON.parse(readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8')) as object;
  writeFileSync(join(folder, '.oxlintrc.json'), JSON.stringify({ ...config, options: { typeAware: false } }));
  const result = spawnSync(
    process.execPath,
    [join(ROOT, 'tools/node_modules/oxlint/dist/cli.js'), '--format=json', '.'],
    {
      cwd: folder,
      // tap's own loaders would come along, and break a command without an extension.
      env: { PATH: process.env.PATH ?? '' },
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    },
  );
  if (result.stdout === '') throw new Error(`oxlint said nothing: ${result.status} ${result.signal} ${result.stderr}`);
  const report = JSON.parse(result.stdout) as { diagnostics: { filename: string; code: string; message: string }[] };
  return report.diagnostics
    .filter(({ code }) => code.startsWith('house('))
    .map(({ filename, code, message }) => ({ file: filename, rule: code.slice('house('.length, -1), message }));
}

const flagged = (findings: Finding[], rule: string): string[] =>
  [...new Set(findings.filter((finding) => finding.rule === rule).map(({ file }) => file))].sort();

/** A file in one room that imports another room, or a file that stands under src/ by itself. */
function seed(from: string, to: string): [path: string, content: string] {
  return [`src/${from}/to-${to.replace('.ts', '')}.ts`, `import '../${to.endsWith('.ts') ? to : `${to}/x.ts`}';\n`];
}

t.before(() => {
  // Under `npm run check` lint has brought the tools; alone, this file does.
  execFileSync(process.execPath, [join(ROOT, 'scripts/preflight.mjs'), 'tools'], { stdio: 'inherit' });
});

t.test('rooms import only what is below them', async (t) => {
  const folders = ROOMS.filter((room) => !room.endsWith('.ts'));
  const rank = (room: string) => ORDER.findIndex((layer) => layer.includes(room));
  const files: Record<string, string> = {};
  const expected: string[] = [];
  for (const from of folders) {
    for (const to of [...ROOMS, ...LEAVES]) {
      const [path, content] = seed(from, to);
      files[path] = OPENING + content;
      if (!LEAVES.includes(to) && from !== to && rank(from) >= rank(to)) expected.push(path);
    }
  }
  const findings = lint(t, files);
  t.same(flagged(findings, 'imports'), expected.sort());
  t.match(
    findings.find(({ file }) => file === 'src/keys/to-grants.ts')?.message,
    /^keys\/to-grants\.ts must not import grants\/x\.ts: imports run one way \(main\.ts -> service\.ts -> \{start\.ts, listen\.ts, tasks\.ts, watched\.ts\} -> \{app\.ts, .*\} -> .* -> \{oauth, credentials, status\} -> .* -> db\)\. Let service\.ts pass it in\.$/,
  );
});

t.test('main wires everything in the service; what stands beside or below it does not import it', async (t) => {
  const list = (specifiers: string[]) => OPENING + specifiers.map((specifier) => `import '${specifier}';\n`).join('');
  const below = (rank: number) =>
    ORDER.slice(rank + 1)
      .flat()
      .map((room) => (room.endsWith('.ts') ? `./${room}` : `./${room}/x.ts`));
  const lawful = { 'src/main.ts': list(below(0)), 'src/service.ts': list(below(1)), 'src/app.ts': list(below(3)) };
  t.same(lint(t, lawful), []);
  const files = {
    'src/service.ts': list(['./main.ts']),
    'src/app.ts': list(['./service.ts']),
    'src/prepare.ts': list(['./app.ts']),
    'src/background.ts': list(['./main.ts']),
    'src/readiness.ts': list(['./prepare.ts']),
  };
  t.same(flagged(lint(t, files), 'imports'), Object.keys(files).sort());
});

t.test('leaves import only leaves', async (t) => {
  for (const room of ['audit/store.ts', 'http/server.ts', 'db/connect.ts', 'keys/store.ts', 'main.ts']) {
    const files = {
      'src/errors.ts': `${OPENING}import './${room}';\n`,
      'src/clouds/aws.ts': `${OPENING}import '../${room}';\n`,
      'src/keys/policy.ts': `${OPENING}import '../${room}';\n`,
      'src/http/scopes.ts': `${OPENING}import '../${room}';\n`,
      'src/config.ts': `${OPENING}import './errors.ts';\nimport './keys/policy.ts';\n`,
      'src/clouds/gcp.ts': `${OPENING}import './aws.ts';\nimport '../json.ts';\n`,
    };
    const findings = lint(t, files);
    t.same(
      flagged(findings, 'imports'),
      ['src/clouds/aws.ts', 'src/errors.ts', 'src/http/scopes.ts', 'src/keys/policy.ts'],
      room,
    );
    t.match(findings[0]?.message, /is a leaf .* leaves import only leaves/);
  }
});

t.test('nothing in the service imports the sandbox, the demo, the command, tests or benches', async (t) => {
  const outside = [
    '../sandbox/x.ts',
    '../demo/x.ts',
    '../cli/x.ts',
    '../../test/x.ts',
    '../../bench/x.ts',
    '../../scripts/x.ts',
  ];
  const files = Object.fromEntries(
    outside.map((specifier, index) => [`src/grants/seed-${index}.ts`, `${OPENING}import '${specifier}';\n`]),
  );
  t.same(flagged(lint(t, files), 'imports'), Object.keys(files).sort());
  t.same(
    flagged(lint(t, { 'src/main.ts': `${OPENING}await import('./sandbox/x.ts');\n` }), 'imports'),
    ['src/main.ts'],
    'late neither',
  );
});

t.test('what stands beside the service keeps its distance, too', async (t) => {
  const files = {
    'src/cli/api.ts': `${OPENING}import '../errors.ts';\nimport '../http/scopes.ts';\nimport './text.ts';\n`,
    'src/cli/serve.ts': `${OPENING}await import('../main.ts');\nawait import('../db/migrate.ts');\nawait import('../sandbox/x.ts');\n`,
    'src/cli/bad-now.ts': `${OPENING}import '../sandbox/x.ts';\n`,
    'src/cli/bad-late.ts': `${OPENING}await import('../tokens/mint.ts');\n`,
    'src/sandbox/sts/jwt.ts': `${OPENING}import '../../json.ts';\nimport '../world.ts';\n`,
    'src/sandbox/bad.ts': `${OPENING}import '../tokens/verify.ts';\n`,
    'src/demo/main.ts': `${OPENING}import '../sandbox/sandbox.ts';\nimport '../cli/api.ts';\nawait import('../main.ts');\n`,
    'src/demo/bad.ts': `${OPENING}import '../connections/store.ts';\n`,
  };
  t.same(flagged(lint(t, files), 'imports'), [
    'src/cli/bad-late.ts',
    'src/cli/bad-now.ts',
    'src/demo/bad.ts',
    'src/sandbox/bad.ts',
  ]);
});

t.test('only app mounts routes, which may stand on http wherever they are', async (t) => {
  const files = {
    'src/app.ts': `${OPENING}import './audit/routes.ts';\n`,
    'src/audit/routes.ts': `${OPENING}import '../http/x.ts';\n`,
    'src/audit/store.ts': `${OPENING}import '../http/x.ts';\n`,
    'src/main.ts': `${OPENING}import './audit/routes.ts';\n`,
    'src/grants/x.ts': `${OPENING}import './routes.ts';\n`,
  };
  t.same(flagged(lint(t, files), 'imports'), ['src/audit/store.ts', 'src/grants/x.ts', 'src/main.ts']);
});

t.test('a folder without a place in the order is an error, not a hole', async (t) => {
  const files = {
    'src/stuff/x.ts': `${OPENING}import '../db/x.ts';\n`,
    'src/grants/x.ts': `${OPENING}import '../stuff/x.ts';\n`,
  };
  t.same(flagged(lint(t, files), 'imports'), Object.keys(files).sort());
});

t.test('every way to name a module counts', async (t) => {
  const ways = [
    "import { x } from '../grants/x.ts';\nx();\n",
    "import type { X } from '../grants/x.ts';\nexport type Y = X;\n",
    "export { x } from '../grants/x.ts';\n",
    "export * from '../grants/x.ts';\n",
    "export const x = await import('../grants/x.ts');\n",
    "export type X = import('../grants/x.ts').X;\n",
    "import '../grants/x.ts';\n",
  ];
  const files = Object.fromEntries(ways.map((way, index) => [`src/keys/way-${index}.ts`, OPENING + way]));
  t.same(flagged(lint(t, files), 'imports'), Object.keys(files).sort());
});

t.test('each vendor has one door', async (t) => {
  const doors: [vendor: string, open: string[], closed: string[]][] = [
    [
      '@aws-sdk/client-sts',
      ['clouds/aws.ts', 'clouds/aws-errors.ts', 'sandbox/x.ts', 'demo/x.ts'],
      ['clouds/gcp.ts', 'credentials/broker.ts', 'cli/x.ts'],
    ],
    ['@smithy/node-http-handler', ['clouds/aws.ts'], ['credentials/broker.ts']],
    ['oidc-provider', ['oauth/provider.ts'], ['tokens/mint.ts', 'app.ts', 'sandbox/x.ts']],
    ['oidc-provider/lib/x.js', ['oauth/provider.ts'], ['app.ts']],
    ['pg', ['db/connect.ts'], ['audit/store.ts', 'main.ts']],
    ['@electric-sql/pglite', ['db/connect.ts'], ['audit/store.ts', 'demo/main.ts']],
    [
      'kysely',
      ['db/types.ts', 'audit/stream.ts', 'keys/rotate.ts', 'grants/decide.ts', 'workloads/store.ts'],
      ['workloads/routes.ts', 'credentials/broker.ts'],
    ],
    ['kysely/migration', ['db/migrate.ts'], ['main.ts']],
    [
      'jose',
      ['keys/x.ts', 'tokens/verify.ts', 'sandbox/x.ts', 'cli/x.ts', 'demo/x.ts'],
      ['oauth/x.ts', 'workloads/x.ts', 'http/x.ts'],
    ],
  ];
  for (const [vendor, open, closed] of doors) {
    const files = [...open, ...closed].map((path) => [`src/${path}`, `${OPENING}import '${vendor}';\n`]);
    const findings = lint(t, Object.fromEntries(files) as Record<string, string>);
    t.same(flagged(findings, 'doors'), closed.map((path) => `src/${path}`).sort(), vendor);
    t.match(findings[0]?.message, new RegExp(`must not import ${vendor}: its door is src/`));
  }
});

t.test('time and chance are parameters', async (t) => {
  const readings = [
    'Date.now()',
    'new Date()',
    'Date()',
    'Date.now',
    'Math.random()',
    'performance.now()',
    'process.hrtime.bigint()',
  ];
  for (const room of ['keys', 'tokens', 'audit', 'credentials']) {
    const files = Object.fromEntries(
      readings.map((code, index) => [`src/${room}/seed-${index}.ts`, `${OPENING}export const x = ${code};\n`]),
    );
    t.same(flagged(lint(t, files), 'clock'), Object.keys(files).sort(), room);
  }
  const lawful = {
    'src/clock.ts': `${OPENING}export const x = Date.now();\n`,
    'src/keys/x.ts': `${OPENING}export const x = new Date(0);\n`,
  };
  t.same(lint(t, lawful), []);
});

t.test('a file opens with a sentence on what it owns', async (t) => {
  const files = {
    'src/ids.ts': 'export const x = 1;\n',
    'src/json.ts': '\n// Too late.\nexport const x = 1;\n',
    'src/errors.ts': `${OPENING}export const x = 1;\n`,
    'src/cli/main.ts': `#!/usr/bin/env node\n${OPENING}export const x = 1;\n`,
  };
  t.same(flagged(lint(t, files), 'opening'), ['src/ids.ts', 'src/json.ts']);
});

t.test('a pattern that every list fits is refused', async (t) => {
  const test = (code: string): string => `${OPENING}import t from 'tap';\n${code}\n`;
  const files = {
    'test/whole.test.ts': test('t.match([1], []);'),
    'test/member.test.ts': test('t.match({ a: [1] }, { a: [] });'),
    'test/deep.test.ts': test("t.match([{ a: { b: [1] } }], [/x/, { ...{ a: { b: [] } } }], 'said');"),
    'test/either.test.ts': test('t.has({ a: [1] }, { a: t.name ? ([] as number[]) : [1] });'),
    'test/same.test.ts': test('t.same([1], []);\nt.match([1], [1]);\nt.match([].length, 0);\n'),
    'test/length.test.ts': test("t.match({ a: [] }, { a: { length: 0 } }, String([]));\nt.match('x', [].join());"),
    'src/json.ts': `${OPENING}export const x = 'x'.match(/x/) ?? [];\n`,
  };
  const findings = lint(t, files);
  t.same(flagged(findings, 'patterns'), [
    'test/deep.test.ts',
    'test/either.test.ts',
    'test/member.test.ts',
    'test/whole.test.ts',
  ]);
  t.equal(findings.length, 4);
});

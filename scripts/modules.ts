// Which files a module loads at run time: its relative imports, followed to the end.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface ModuleGraph {
  /** Absolute paths. */
  files: Set<string>;
  /** Names of packages, and of `node:` modules. */
  packages: Set<string>;
  /** `importer -> specifier` of what does not exist. */
  missing: string[];
}

const STATIC = /^[ \t]*(?:import|export)\b(?!\s+type\b)(?:[^'"`;()]*?\bfrom)?\s*(['"])([^'"\n]+)\1/gm;
const DYNAMIC = /\bimport\(\s*(['"])([^'"\n]+)\1/g;

/** What is written in the source, types apart; `dynamic` for `import(...)`. */
export function listImports(source: string): { specifier: string; dynamic: boolean }[] {
  const code = source.replace(/^\s*(\/\/|\*).*$/gm, '');
  const list = (pattern: RegExp, dynamic: boolean) =>
    [...code.matchAll(pattern)].map(([, , specifier]) => ({ specifier: specifier ?? '', dynamic }));
  return [...list(STATIC, false), ...list(DYNAMIC, true)];
}

function namePackage(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Walks from the entry files; dynamic imports count only where `options.dynamic` says so. */
export function walkModules(entries: string[], options: { dynamic?: boolean } = {}): ModuleGraph {
  const graph: ModuleGraph = { files: new Set(), packages: new Set(), missing: [] };
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (graph.files.has(file)) continue;
    graph.files.add(file);
    if (!/\.[cm]?[jt]s$/.test(file)) continue;
    for (const { specifier, dynamic } of listImports(readFileSync(file, 'utf8'))) {
      if (dynamic && !options.dynamic) continue;
      if (!specifier.startsWith('.')) graph.packages.add(namePackage(specifier));
      else if (existsSync(join(dirname(file), specifier))) queue.push(join(dirname(file), specifier));
      else graph.missing.push(`${file} -> ${specifier}`);
    }
  }
  return graph;
}

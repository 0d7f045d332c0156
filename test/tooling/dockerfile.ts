// Replays a Dockerfile's COPY and RUN steps in plain folders, one per stage, where there is no container engine.
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, matchesGlob, posix } from 'node:path';

export interface Instruction {
  name: string;
  flags: Record<string, string>;
  /** Words of a JSON array, or those between spaces. */
  words: string[];
  text: string;
}

/** One instruction per entry; comments and line continuations resolved. */
export function parseDockerfile(source: string): Instruction[] {
  const lines = source
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim());
  return lines.filter(Boolean).map((line) => {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    const flags: Record<string, string> = {};
    const text = rest.replace(/^(--([\w-]+)=(\S+)\s+)+/, (all) => {
      for (const [, flag = '', value = ''] of all.matchAll(/--([\w-]+)=(\S+)/g)) flags[flag] = value;
      return '';
    });
    // The command of a health check stands behind a word of its own.
    const command = text.replace(/^CMD\s+(?=\[)/, '');
    const words = command.startsWith('[') ? (JSON.parse(command) as string[]) : text.split(/\s+/);
    return { name: name.toUpperCase(), flags, words, text };
  });
}

/** As .dockerignore decides: the last pattern that matches the path, or a folder above it. */
export function createContextFilter(source: string): (path: string) => boolean {
  const patterns = source.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return (path) => {
    const parts = path.split('/');
    const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const last = patterns.findLast((pattern) =>
      prefixes.some((prefix) => matchesGlob(prefix, pattern.replace(/^!/, ''))),
    );
    return last === undefined || last.startsWith('!');
  };
}

interface Stage {
  root: string;
  workdir: string;
}

/**
 * Only paths below the working folder may be written by RUN, because its commands see the real file system.
 * @returns the folder that stands for the last stage's `/`, and its working folder.
 */
export function replayDockerfile(context: string, target: string): Stage {
  const includes = createContextFilter(readFileSync(join(context, '.dockerignore'), 'utf8'));
  const stages = new Map<string, Stage>();
  let stage: Stage = { root: target, workdir: '/' };
  const inStage = ({ root, workdir }: Stage, path: string): string =>
    join(root, isAbsolute(path) ? path : join(workdir, path));

  function copy(flags: Record<string, string>, words: string[]): void {
    const sources = words.slice(0, -1);
    const to = words.at(-1) ?? '';
    const from = flags['from'] === undefined ? undefined : stages.get(flags['from']);
    for (const source of sources) {
      const origin = from ? inStage(from, source) : join(context, source);
      const into = inStage(stage, to.endsWith('/') && sources.length > 1 ? posix.join(to, posix.basename(source)) : to);
      mkdirSync(dirname(into), { recursive: true });
      const filter = from ? undefined : (path: string) => path === origin || includes(path.slice(context.length + 1));
      cpSync(origin, into, { recursive: true, verbatimSymlinks: true, ...(filter ? { filter } : {}) });
    }
  }

  for (const { name, flags, words, text } of parseDockerfile(readFileSync(join(context, 'Dockerfile'), 'utf8'))) {
    if (name === 'FROM') {
      stage = { root: join(target, `stage-${stages.size}`), workdir: '/' };
      stages.set(words[2] ?? String(stages.size), stage);
    } else if (name === 'WORKDIR') {
      stage.workdir = posix.resolve(stage.workdir, text);
      mkdirSync(inStage(stage, '.'), { recursive: true });
    } else if (name === 'COPY') copy(flags, words);
    // All of the lock file is what stands in this very tree; the preflight sees to it.
    else if (name === 'RUN' && text === 'npm ci --ignore-scripts')
      symlinkSync(join(context, 'node_modules'), inStage(stage, 'node_modules'));
    else if (name === 'RUN') {
      const env = { ...process.env, npm_config_prefer_offline: 'true', NODE_ENV: '' };
      execFileSync('/bin/sh', ['-c', text], { cwd: inStage(stage, '.'), env, stdio: ['ignore', 'ignore', 'pipe'] });
    }
  }
  return stage;
}

/** Paths below `folder`, folders apart. */
export function listFiles(folder: string): string[] {
  return globSync('**', { cwd: folder, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

// Files that hold secrets: ours alone, whole or not there, in a folder that is ours alone.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Outside } from './outside.ts';

/**
 * Of XDG_RUNTIME_DIR for what a process says of itself, of XDG_CACHE_HOME or ~/.cache for what can be got again, of
 * XDG_STATE_HOME or ~/.local/state for what a person would have to do again.
 * @returns undefined where the environment names no home
 */
export function privateFolder(env: Outside['env'], kind: 'runtime' | 'cache' | 'state'): string | undefined {
  // A path that is not absolute is to be passed over (XDG base directory specification).
  const absolute = (path: string | undefined): string | undefined => (path && isAbsolute(path) ? path : undefined);
  const runtime = kind === 'runtime' ? absolute(env.XDG_RUNTIME_DIR) : undefined;
  const [kept, home] = kind === 'state' ? [env.XDG_STATE_HOME, '.local/state'] : [env.XDG_CACHE_HOME, '.cache'];
  const base = runtime ?? absolute(kept) ?? (absolute(env.HOME) && join(env.HOME as string, home));
  return base === undefined ? undefined : join(base, 'countersign');
}

/** What is wrong with what the system says of a file or folder that must be ours alone; undefined where nothing is. */
function findFault(path: string, stats: Stats): string | undefined {
  const uid = process.getuid?.();
  if (uid !== undefined && stats.uid !== uid) return `${path} belongs to another user`;
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0)
    return `${path} is open to others (mode ${(stats.mode & 0o777).toString(8)}; chmod go= makes it yours alone)`;
  return undefined;
}

/** Makes the folder where it is missing. @returns what is wrong with it; undefined where nothing is */
export function findFolderFault(folder: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stats = lstatSync(folder);
    return stats.isDirectory() ? findFault(folder, stats) : `${folder} is no folder`;
  } catch (error) {
    return `${folder} cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unknown fault'})`;
  }
}

/** What the file holds, undefined where there is none; or what is wrong with it. Links are not followed. */
export function readPrivate(file: string): { text?: string; fault?: string } {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code = 'unknown fault' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    return { fault: code === 'ELOOP' ? `${file} is a link` : `${file} cannot be read (${code})` };
  }
  try {
    const stats = fstatSync(descriptor);
    const fault = stats.isFile() ? findFault(file, stats) : `${file} is no file`;
    return fault === undefined ? { text: readFileSync(descriptor, 'utf8') } : { fault };
  } finally {
    closeSync(descriptor);
  }
}

/** Written beside it and renamed into place: whoever reads it finds all of it, the old or the new. */
export function writePrivate(file: string, text: string, mode = 0o600): void {
  const beside = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const descriptor = openSync(beside, 'wx', 0o600);
    try {
      writeFileSync(descriptor, text);
      // Not by open: the umask has no say.
      fchmodSync(descriptor, mode);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** One that is not there yet: whole, or not there. Not by a link from beside it: not every file system has them. */
export function createPrivate(file: string, text: string): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** The folder that a file stands in, made where it is missing, for its owner alone unless told otherwise. */
export function makeFolderOf(file: string, mode = 0o700): void {
  mkdirSync(dirname(file), { recursive: true, mode });
}

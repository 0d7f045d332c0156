// An exclusive lock on the embedded directory, freed by the kernel when the process dies, however it dies.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartError } from '../errors.ts';

/** @returns a function that gives it back; undefined where another process has it. */
export function tryLock(dir: string): (() => void) | undefined {
  const lock = new DatabaseSync(join(dir, 'lock.sqlite'));
  try {
    lock.exec('begin exclusive');
  } catch {
    lock.close();
    return undefined;
  }
  return () => lock.close();
}

/**
 * Takes the lock or refuses at once.
 * @returns a function that gives it back.
 * @throws StartError `embedded_directory_in_use`
 */
export function lockDirectory(dir: string): () => void {
  const release = tryLock(dir);
  if (release) return release;
  throw new StartError(
    'embedded_directory_in_use',
    `Another process is using the embedded database in ${dir}.`,
    'Stop that process, give this one a DATA_DIR of its own, or set DATABASE_URL to share a PostgreSQL.',
  );
}

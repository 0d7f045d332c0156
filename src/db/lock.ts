// An exclusive lock by a file, freed by the kernel when the process dies, however it dies; so the embedded directory is locked.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartError } from '../errors.ts';

/** Somebody else has it (https://sqlite.org/rescode.html); what it is busy with stands in the higher bits. */
const SQLITE_BUSY = 5;

/**
 * @param file made where it is missing, and never removed: who waits for it has it open
 * @returns a function that gives it back; undefined where another has it, in this process or another
 * @throws what SQLite says of a file that cannot be locked
 */
export function tryLockFile(file: string): (() => void) | undefined {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('begin exclusive');
  } catch (error) {
    lock.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return undefined;
    throw error;
  }
  return () => lock.close();
}

/** @returns a function that gives it back; undefined where another process has it. */
export function tryLock(dir: string): (() => void) | undefined {
  return tryLockFile(join(dir, 'lock.sqlite'));
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

// An exclusive lock on the embedded directory, freed by the kernel when the process dies, however it dies.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartError } from '../errors.ts';

/**
 * Takes the lock or refuses at once.
 * @returns a function that gives it back.
 * @throws StartError `embedded_directory_in_use`
 */
export function lockDirectory(dir: string): () => void {
  const lock = new DatabaseSync(join(dir, 'lock.sqlite'));
  try {
    lock.exec('begin exclusive');
  } catch {
    lock.close();
    throw new StartError(
      'embedded_directory_in_use',
      `Another process is using the embedded database in ${dir}.`,
      'Stop that process, give this one a DATA_DIR of its own, or set DATABASE_URL to share a PostgreSQL.',
    );
  }
  return () => lock.close();
}

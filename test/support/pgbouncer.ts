// A private PgBouncer in transaction mode for tests: on loopback, in front of one PostgreSQL, gone with the process that made it.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** In PATH, else where Debian puts it. */
export function findPgbouncer(path = process.env.PATH ?? '', debian = '/usr/sbin'): string | undefined {
  return [...path.split(delimiter), debian]
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'pgbouncer'))
    .find((file) => existsSync(file));
}

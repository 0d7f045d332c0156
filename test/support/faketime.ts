// A clock that lies to one process: libfaketime, as Debian's package of that name installs it.
import { globSync } from 'node:fs';

/** The library to preload, or undefined where it is not installed. */
export function findFaketime(pattern = '/usr/lib/*/faketime/libfaketime.so.1'): string | undefined {
  return globSync(pattern).sort()[0];
}

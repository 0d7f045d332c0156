// The AWS CLI as Debian packages it: whatever else is called `aws` on a developer's machine is another one.
import { existsSync } from 'node:fs';

/** Undefined where it is not installed. */
export function findAwsCli(debian = '/usr/bin/aws'): string | undefined {
  return existsSync(debian) ? debian : undefined;
}

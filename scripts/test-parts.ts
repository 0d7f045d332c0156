// The real parts beside Node that some tests need: where one is missing, the tests that need it are left out by name, or fail in CI.
import { join } from 'node:path';
import { findAwsCli } from '../test/support/aws-cli.ts';
import { findFaketime } from '../test/support/faketime.ts';
import { findPgbouncer } from '../test/support/pgbouncer.ts';
import { walkModules } from './modules.ts';

export interface Part {
  name: string;
  /** The module of test/support/ that every test which needs the part imports. */
  support: string;
  find(): string | undefined;
  install: string;
}

export const PARTS: readonly Part[] = [
  {
    name: 'PgBouncer',
    support: 'test/support/pgbouncer.ts',
    find: () => findPgbouncer(),
    install: 'apt-get install pgbouncer',
  },
  {
    name: 'libfaketime',
    support: 'test/support/faketime.ts',
    find: () => findFaketime(),
    install: 'apt-get install libfaketime',
  },
  {
    name: "Debian's AWS CLI",
    support: 'test/support/aws-cli.ts',
    find: () => findAwsCli(),
    install: 'apt-get install awscli',
  },
];

export interface Missing {
  /** Files that can run, in their order. */
  runnable: string[];
  /** One sentence for each part that is missing and needed. */
  sentences: string[];
}

/** @param files of tests, relative to `root`. */
export function withoutMissing(root: string, files: string[], parts = PARTS): Missing {
  const absent = parts.filter((part) => part.find() === undefined);
  const left = new Map<Part, string[]>(absent.map((part) => [part, []]));
  const runnable = files.filter((file) => {
    const reached = walkModules([join(root, file)], { dynamic: true }).files;
    const lacking = absent.filter((part) => reached.has(join(root, part.support)));
    for (const part of lacking) left.get(part)?.push(file);
    return lacking.length === 0;
  });
  const sentences = [...left]
    .filter(([, needing]) => needing.length > 0)
    .map(
      ([part, needing]) =>
        `${part.name} was not found: install it, on Debian with \`${part.install}\`. Needed by ${needing.join(', ')}.`,
    );
  return { runnable, sentences };
}

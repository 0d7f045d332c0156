// What a person may ask of the demo on the command line.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** End after the flow, with one JSON object on the last line. */
  once: boolean;
  /** Kept afterwards; a temporary folder if absent. */
  dataDir: string | undefined;
  help: boolean;
}

export const HELP = `npm run demo -- [--once] [--data-dir <folder>]

  --once               end after the flow: exit code 0 if every step held, and one JSON object on the last line
  --data-dir <folder>  keep the embedded database there (a new or empty folder); else it is temporary
`;

/** @throws Error where the arguments are none of the demo's. */
export function readOptions(argv: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: { once: { type: 'boolean' }, 'data-dir': { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  const { once = false, help = false, 'data-dir': dataDir } = values;
  if (dataDir === '') throw new Error('--data-dir needs a folder.');
  return { once, help, dataDir: dataDir === undefined ? undefined : resolve(dataDir) };
}

// `npm run lint`: every rule that a machine can hold; `--write` only formats. Its tools live in tools/, with a lock of their own.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'tools/node_modules/.bin');

interface Check {
  name: string;
  command: string[];
  /** For a tool that tells of its findings and exits with 0. */
  silence?: boolean;
}

const FORMAT: Check = { name: 'format', command: ['biome', 'format', '--write'] };

const CHECKS: Check[] = [
  { name: 'rules', command: ['oxlint', '--deny-warnings'] },
  { name: 'format (npm run format mends it)', command: ['biome', 'format'] },
  { name: 'Dockerfile', command: ['dockerfile-utils', 'lint', 'Dockerfile'], silence: true },
  // Written by `npm run openapi`, whose own check finds it missing.
  ...(existsSync(join(ROOT, 'openapi.yaml'))
    ? [{ name: 'openapi.yaml', command: ['redocly', 'lint', 'openapi.yaml', '--format=stylish'] }]
    : []),
];

function passes({ name, command, silence }: Check): boolean {
  const [tool = '', ...args] = command;
  const result = spawnSync(join(BIN, tool), args, {
    cwd: ROOT,
    encoding: 'utf8',
    // oxlint finds its type-aware half in PATH; redocly would tell its makers and look for news.
    env: {
      ...process.env,
      PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}`,
      REDOCLY_TELEMETRY: 'off',
      REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
    },
  });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.trim();
  const ok = result.status === 0 && !(silence && output !== '');
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`);
  if (!ok) console.log(output);
  return ok;
}

const checks = process.argv.includes('--write') ? [FORMAT] : CHECKS;
process.exitCode = checks.map(passes).every(Boolean) ? 0 : 1;

// A generated file that is committed: written, or (`--check`) compared with what would be written, and the difference shown.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The committed text against the generated one, as git shows differences; empty where git is not there to say. */
function describeDifference(file: string, generated: string): string {
  const args = ['diff', '--no-index', '--no-color', '--unified=2', '--', file, '-'];
  const { stdout } = spawnSync('git', args, { cwd: ROOT, input: generated, encoding: 'utf8' });
  return (stdout ?? '').split('\n').slice(4).join('\n').trimEnd();
}

/**
 * @param file relative to the project
 * @param command the npm script that writes it
 * @returns the exit code: 1 when `check` finds another text than `generated`
 */
export function settleGenerated(
  file: string,
  generated: string,
  { check, command }: { check: boolean; command: string },
): number {
  const path = join(ROOT, file);
  const committed = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (!check) {
    if (committed !== generated) writeFileSync(path, generated);
    console.log(`${committed === generated ? 'unchanged' : 'written'} ${file}`);
    return 0;
  }
  if (committed === generated) {
    console.log(`ok   ${file} is what \`npm run ${command}\` writes`);
    return 0;
  }
  console.log(`FAIL ${file} is out of date: run \`npm run ${command}\` and commit it.`);
  if (committed !== undefined) console.log(describeDifference(file, generated));
  return 1;
}

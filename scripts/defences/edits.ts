// Taking a defence out of the text of its files, and putting it back.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { walkModules } from '../modules.ts';
import type { Defence } from './defence.ts';

/** The text however a formatter breaks its lines. */
function toPattern(text: string): RegExp {
  const source = text
    .replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    .replaceAll(/\s+/g, '\\s+')
    .replaceAll(/\\[([{](?:\\s\+)?/g, (opening) => `${opening.slice(0, 2)}\\s*`)
    .replaceAll(/(?:\\s\+)?\\[)\]}]/g, (closing) => `,?\\s*${closing.slice(-2)}`);
  return new RegExp(source, 'g');
}

function listEdits({ file, find, replace, occurrence, also = [] }: Defence) {
  return [{ file, find, replace, occurrence }, ...also.map((edit) => ({ ...edit, occurrence: undefined }))];
}

/** Why this defence cannot be taken out as it is written down; undefined where it can. */
export function findFault(root: string, defence: Defence): string | undefined {
  for (const { file, find, replace, occurrence } of listEdits(defence)) {
    const count = readFileSync(join(root, file), 'utf8').match(toPattern(find))?.length ?? 0;
    if (occurrence === undefined ? count !== 1 : count <= occurrence)
      return `its text (${find.slice(0, 60)}) is ${count} times in ${file}`;
    if (find === replace) return 'its replacement changes nothing';
  }
  const [path, name] = defence.test;
  // Tests in a loop are named by what they loop over: `refused: header jku`.
  const written = [name, name.split(': ').at(-1), name.split(' ').at(-1)] as string[];
  // The cases may stand in a module beside the test.
  const beside = [...walkModules([join(root, path)]).files].filter((file) => file.startsWith(join(root, 'test/')));
  if (!written.some((text) => beside.some((file) => readFileSync(file, 'utf8').includes(text))))
    return `${path} has no test "${name}"`;
  return undefined;
}

/** @returns a function that puts it back */
export function takeOut(root: string, defence: Defence): () => void {
  const before = new Map<string, string>();
  for (const { file, find, replace, occurrence = 0 } of listEdits(defence)) {
    const path = join(root, file);
    const whole = readFileSync(path, 'utf8');
    if (!before.has(path)) before.set(path, whole);
    let nth = 0;
    writeFileSync(
      path,
      whole.replace(toPattern(find), (found) => (nth++ === occurrence ? replace : found)),
    );
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
}

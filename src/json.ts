// Strict JSON: no duplicate members, no prototype members, bounded depth. For request bodies and the parts of a JWT.
import { visit } from 'jsonc-parser';

export class JsonError extends Error {}

const MAX_DEPTH = 16;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses RFC 8259 JSON. `JSON.parse` decides the grammar; the walk before it refuses what it would silently accept.
 * @throws JsonError with a sentence that names the fault, never the content.
 */
export function parseStrictJson(text: string): unknown {
  const members: Set<string>[] = [];
  let depth = 0;
  const enter = (): void => {
    depth += 1;
    if (depth > MAX_DEPTH) throw new JsonError(`JSON is nested deeper than ${MAX_DEPTH} levels`);
  };
  visit(text, {
    onObjectBegin: () => {
      enter();
      members.push(new Set());
    },
    onObjectEnd: () => {
      depth -= 1;
      members.pop();
    },
    onArrayBegin: enter,
    onArrayEnd: () => {
      depth -= 1;
    },
    onObjectProperty: (name) => {
      if (FORBIDDEN.has(name)) throw new JsonError('JSON has a member with a reserved name');
      const seen = members.at(-1);
      if (seen?.has(name)) throw new JsonError('JSON has a duplicate member');
      seen?.add(name);
    },
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new JsonError('not valid JSON');
  }
}

// Lists by cursor: keyset paging, the cursor opaque to callers and checked when it comes back.
import { Type } from 'typebox';
import { Problem } from '../errors.ts';

export const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(Type.String({ maxLength: 512, pattern: '^[A-Za-z0-9_-]+$' })),
};

export interface Page<T> {
  items: T[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export function encodeCursor(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** @throws Problem `invalid_cursor` when it is not one of ours of this length. */
export function decodeCursor(cursor: string | undefined, length: number): string[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    // Ids, slugs and times: nothing else is ever a position, and a database takes no NUL.
    const isPart = (part: unknown): part is string => typeof part === 'string' && /^[!-~]{1,128}$/.test(part);
    if (Array.isArray(position) && position.length === length && position.every(isPart)) return position;
  } catch {
    // Falls through to the one error below.
  }
  throw new Problem('invalid_cursor', 'This cursor is not one that this list gave out.', {
    hint: 'Start again without a cursor.',
  });
}

/** Cuts `limit + 1` rows to a page; `position` says where the last row shown stands. */
export function toPage<Row, T>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => T,
  position: (row: Row) => string[],
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(show),
    ...(rows.length > limit && last !== undefined ? { next_cursor: encodeCursor(position(last)) } : {}),
  };
}

export function pageOf(item: Parameters<typeof Type.Array>[0]) {
  return Type.Object({ items: Type.Array(item), next_cursor: Type.Optional(Type.String()) });
}

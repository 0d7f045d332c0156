// Lists: one page as asked, or every page; and a word on how to go on.
import type { Command } from 'commander';
import type { Api, Query } from './api.ts';
import { integer } from './options.ts';

export interface ListOptions {
  limit?: number;
  cursor?: string;
  all?: true;
}

export interface Page<T> {
  items: T[];
  next_cursor?: string;
}

export function listOptions(command: Command): Command {
  return command
    .option('--limit <n>', 'items in a page, 1 to 200', integer(1, 200))
    .option('--cursor <cursor>', 'go on from where a page ended')
    .option('--all', 'every page');
}

/** The page asked for; with --all its successors too, as one. */
export async function readPages<T>(api: Api, path: string, query: Query, options: ListOptions): Promise<Page<T>> {
  const limit = options.limit ?? (options.all ? 200 : undefined);
  const page = (await api.get(path, { ...query, limit, cursor: options.cursor })) as Page<T>;
  if (!options.all) return page;
  const items = [...page.items];
  let cursor = page.next_cursor;
  while (cursor !== undefined) {
    const next = (await api.get(path, { ...query, limit, cursor })) as Page<T>;
    items.push(...next.items);
    cursor = next.next_cursor;
  }
  return { items };
}

/** The line under a page that is not the last; nothing under the last. */
export function more(page: Page<unknown>): string {
  return page.next_cursor === undefined ? '' : `There is more: --cursor ${page.next_cursor}, or --all.\n`;
}
